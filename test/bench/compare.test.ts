// The page that a comparison with the peers becomes.
// Invariant: made of measurements invented here, so that every expected figure can be read off them.
import assert from 'node:assert/strict';
import { comparedModel, trainingFloors } from '../../bench/compare/floors.js';
import { summarise, type Comparison, type Measured } from '../../bench/compare/report.js';

const OURS = 'alexnet, float32';
const PEER = 'PyTorch, as first written (NCHW, eager)';

function measured(name: string, round: number, timesMs: readonly number[]): Measured {
  return { name, round, task: 'train', batchSize: 128, timesMs, peakResidentMiB: 2000, toFirstMs: 1500 };
}

function comparison(all: readonly Measured[]): Comparison {
  return {
    date: '2012-12-03',
    machine: { cpu: 'a processor', threads: 2 },
    ceilings: { float32GFlops: 400, bfloat16GFlops: 0, int8GOps: 0, copyGBps: 20, readGBps: 30 },
    floors: { float32: [] },
    checks: [{ name: OURS, pictures: 32, expected: 6.9, loss: 6.9 }],
    sizesMiB: { alexnet: 60 },
    measured: all,
  };
}

/** The cells of a configuration's line. */
function cells(page: string, name: string): string[] {
  const line = page.split('\n').find((text) => text.startsWith(`| ${name} |`));
  return (line ?? '').split('|').map((cell) => cell.trim());
}

describe('the page of a comparison', () => {
  it('gives the median of the rounds, and ratios within a round', () => {
    const page = summarise(
      comparison([
        measured(OURS, 1, [1000, 1001, 1002]),
        measured(PEER, 1, [3001, 3002, 3003]),
        // The machine was half as fast.
        measured(OURS, 2, [2000, 2002, 2004]),
        measured(PEER, 2, [6004, 6006, 6008]),
        measured(OURS, 3, [1001]),
        measured(PEER, 3, [4004]),
      ]),
    );
    assert.deepEqual(cells(page, OURS).slice(2, 5), ['1001.0', '127.9', '']);
    assert.deepEqual(cells(page, PEER).slice(2, 5), ['4004.0', '32.0', '3.00']);
  });

  it('says what a peer cannot do', () => {
    const failed = { name: PEER, round: 1, task: 'train', batchSize: 128, cannot: 'no such kernel' } as const;
    const page = summarise(comparison([measured(OURS, 1, [1000]), failed]));
    assert.equal(cells(page, PEER)[2], 'cannot: no such kernel');
  });
});

describe('the floors of a training step', () => {
  const ceilings = { float32GFlops: 100, bfloat16GFlops: 200, int8GOps: 400, copyGBps: 10, readGBps: 20 };
  const floors = trainingFloors(comparedModel(), { ceilings, batchSize: 1, precision: 'float32' });

  it('count every multiplication of a step, but for the gradient of the pictures', () => {
    const arithmeticMs = floors.reduce((sum, floor) => sum + floor.arithmeticMs, 0);
    // 724,406,816 multiply-accumulates forward, three times, less conv1's once; 2 operations each, 10^8 a millisecond.
    assert.ok(Math.abs(arithmeticMs - (2 * (3 * 724_406_816 - 105_415_200)) / 1e8) < 1e-9);
  });

  it('take the longer of arithmetic and bytes', () => {
    const fc6 = floors.find(({ layer }) => layer === 'fc6');
    // One picture: 37,752,832 weights are read twice and a gradient written, for a multiplication each.
    assert.ok(fc6 && fc6.bytesMs > fc6.arithmeticMs && fc6.floorMs === fc6.bytesMs);
  });

  it('count a gradient of weights as float32, whatever is computed in', () => {
    const fc6 = trainingFloors(comparedModel(), { ceilings, batchSize: 1, precision: 'bfloat16' }).find(
      ({ layer }) => layer === 'fc6',
    );
    // 9216 inputs and 4096 outputs, each read or written three times; weights of 2 bytes twice; 10^7 bytes a millisecond.
    const bytes = 2 * 3 * (9216 + 4096) + (2 * 2 + 4) * 37_752_832;
    assert.ok(fc6 && Math.abs(fc6.bytesMs - bytes / 1e7) < 1e-9);
  });

  it('have a line for every layer that takes time, and for the update', () => {
    const names = floors.map(({ layer }) => layer);
    assert.deepEqual(names.slice(0, 3), ['conv1', 'lrn1+pool1', 'conv2']);
    assert.equal(names.at(-1), 'update');
    assert.ok(!names.includes('relu1') && !names.includes('flatten'));
  });
});
