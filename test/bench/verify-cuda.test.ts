// The report of verify:cuda: what it projects, and that a simulation is never taken for a card.
// Invariant: nothing is measured here.
import assert from 'node:assert/strict';
import type { Speed } from '../../bench/verify-cuda/benchmark.js';
import { markdown, projectEpochs, type Report } from '../../bench/verify-cuda/report.js';

const speed: readonly Speed[] = [
  { task: 'train', precision: 'float32', batchSize: 1, imagesPerSecond: 100, peakBytes: 2 ** 30 },
  { task: 'train', precision: 'float32', batchSize: 128, imagesPerSecond: 1000, peakBytes: 2 ** 30 },
  {
    task: 'train',
    precision: 'float16',
    batchSize: 128,
    imagesPerSecond: null,
    peakBytes: 0,
    reason: 'no memory',
  },
  { task: 'infer', precision: 'float32', batchSize: 128, imagesPerSecond: 5000, peakBytes: 2 ** 29 },
];

function report(options: Partial<Report>): Report {
  return {
    date: '2026-11-24T00:00:00.000Z',
    simulated: false,
    device: { gpu: 'Some card' },
    node: 'v20.20.0',
    checks: [{ name: 'Memory over many steps', passed: false, detail: 'it grew' }],
    speed,
    torch: { version: '2.13.0', speed: [{ ...speed[1]!, compiled: true, imagesPerSecond: 1234 }] },
    projection: projectEpochs(speed),
    ...options,
  };
}

describe('the report of verify:cuda', () => {
  it('projects 90 epochs of ImageNet from training at batch 128, for each precision that ran', () => {
    const [projection, ...others] = projectEpochs(speed);
    assert.deepEqual(others, []);
    assert.equal(projection!.precision, 'float32');
    assert.equal(projection!.hours, (90 * 1_281_167) / 1000 / 3600);
    assert.match(markdown(report({})), /\| float32 \| 1,000 \| 1d08h \|/);
  });

  it("puts PyTorch's figure beside ours, and says why a figure is missing", () => {
    const text = markdown(report({}));
    assert.match(text, /\| train \| float32 \| 128 \| 1,000 \| 1\.0 GiB \| {2}\| 1,234 \|/);
    assert.match(text, /- train, float16, 128: no memory/);
  });

  it('says which check failed', () => {
    assert.match(markdown(report({})), /- FAILED: Memory over many steps\. it grew/);
  });

  it('calls a simulation one before anything else, and projects nothing from it', () => {
    const text = markdown(report({ simulated: true, projection: null }));
    assert.match(text, /^# The cuda device, verified\n\n\*\*SIMULATION: there is no card here\./);
    assert.match(text, /## Training as in the paper\n\nNot from a simulation\./);
  });
});
