// The two halves of the op table agree, a disagreement is named, and every op has a kernel.
// Invariant: the native half is the one of the addon that is loaded.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadAddon, packageDirectory } from '../../lib/native/addon.js';
import { compareTables } from '../../lib/ops/run.js';
import { signatureOf, table, type OpName } from '../../lib/ops/table.js';

const names = Object.keys(table) as OpName[];

const CPU_OPTIONS = {
  threads: 1,
  memoryLimitBytes: 0,
  winograd: true,
  workspaceLimitBytes: 0,
  tf32: false,
  deterministic: false,
  measurePlans: false,
  planFile: '',
};

/** A native table as it should be. */
function agreeing(): { name: string; signature: string }[] {
  return names.map((name) => ({ name, signature: signatureOf(table[name]) }));
}

describe('the op table', () => {
  it('is the same in the addon and in TypeScript', () => {
    assert.deepEqual(compareTables(loadAddon().ops()), []);
  });

  it('lists its ops in one order, by which they are dispatched', () => {
    assert.deepEqual(
      loadAddon()
        .ops()
        .map(({ name }) => name),
      names,
    );
  });

  it('has a kernel for every op on the CPU, and no kernel for anything else', () => {
    const source = readFileSync(join(packageDirectory, 'native', 'cpu', 'kernel_table.cc'), 'utf8');
    const kernels = [...source.matchAll(/^ +\{"(\w+)", \w+\},$/gm)].map(([, name]) => name!);
    assert.deepEqual(kernels.sort(), [...names].sort());
  });
});

describe('comparing op tables', () => {
  it('finds nothing where they agree', () => {
    assert.deepEqual(compareTables(agreeing()), []);
  });

  it('names an op that only the addon has', () => {
    const native = [...agreeing(), { name: 'gelu', signature: 'x -> y | ' }];
    assert.deepEqual(compareTables(native), ["op 'gelu' is unknown here"]);
  });

  it('takes a name that every object has for an unknown op', () => {
    const native = [...agreeing(), { name: 'toString', signature: 'x -> y | ' }];
    assert.deepEqual(compareTables(native), ["op 'toString' is unknown here"]);
  });

  it('names an op that the addon lacks', () => {
    assert.deepEqual(compareTables(agreeing().filter(({ name }) => name !== 'sgd')), [
      "op 'sgd' is missing there",
    ]);
  });

  for (const [what, signature] of [
    ['inputs', 'x b -> y | scale shift'],
    ['outputs', 'x -> y z | scale shift'],
    ['attributes', 'x -> y | shift scale'],
  ] as const) {
    it(`names an op whose ${what} differ, with both sides`, () => {
      const native = agreeing().map((op) => (op.name === 'affine' ? { ...op, signature } : op));
      assert.deepEqual(compareTables(native), [
        `op 'affine' is 'x -> y | scale shift' here and '${signature}' there`,
      ]);
    });
  }
});

describe('the addon', () => {
  const addon = loadAddon();
  const scalar = [0, []] as const;
  const relu = names.indexOf('reluForward');
  let device: number;
  before(() => {
    device = addon.openDevice('cpu', CPU_OPTIONS);
  });
  after(() => addon.closeDevice(device));

  for (const [what, dispatch, message] of [
    ['an op beyond the table', () => addon.dispatch(device, names.length, [], [], [], ''), /no such op: \d+/],
    ['too few inputs', () => addon.dispatch(device, relu, [], [scalar], [], ''), /takes 1 inputs, got 0/],
    [
      'a missing input',
      () => addon.dispatch(device, relu, [null], [scalar], [], ''),
      /inputs 'x' is missing/,
    ],
    [
      'too many attributes',
      () => addon.dispatch(device, 0, [], [scalar], [1, 2], ''),
      /takes 1 attributes, got 2/,
    ],
    [
      'an impossible shape',
      () => addon.dispatch(device, 0, [], [[0, [-1]]], [1], ''),
      /impossible shape \[-1\]/,
    ],
    [
      'a shape beyond memory',
      () => addon.dispatch(device, 0, [], [[0, [2 ** 30, 2 ** 30]]], [1], ''),
      /impossible/,
    ],
    ['an unknown type', () => addon.dispatch(device, 0, [], [[9, [1]]], [1], ''), /no such dtype: 9/],
    [
      'a device that is not open',
      () => addon.dispatch(device + 1, 0, [], [scalar], [1], ''),
      /the device is closed/,
    ],
    [
      'a handle that was never given',
      () => addon.dispatch(device, relu, [12345], [scalar], [], ''),
      /disposed/,
    ],
    ['NaN for a handle', () => addon.dispatch(device, relu, [NaN], [scalar], [], ''), /disposed/],
    ['an array of another size', () => addon.upload(device, new Float32Array(3), 0, [2]), /12 bytes into 8/],
    ['no attributes at all', () => addon.dispatch(device, 0, [], [scalar], undefined as never, ''), /./],
    ['text for a shape', () => addon.dispatch(device, 0, [], [[0, 'abc' as never]], [1], ''), /./],
  ] as const) {
    it(`refuses ${what}`, () => {
      assert.throws(dispatch, { message });
    });
  }

  it('refuses a handle whose tensor has gone, also when its place is taken', () => {
    const handle = addon.upload(device, new Float32Array(1), 0, [1]);
    addon.release(device, handle);
    const next = addon.upload(device, new Float32Array(1), 0, [1]);
    assert.notEqual(next, handle);
    assert.throws(() => addon.share(device, handle), /used after it was disposed/);
    const { tensors } = addon.memory(device);
    addon.release(device, handle);
    assert.equal(addon.memory(device).tensors, tensors);
    addon.release(device, next);
    assert.equal(addon.memory(device).tensors, tensors - 1);
  });

  it('refuses a handle of another device', () => {
    const other = addon.openDevice('cpu', CPU_OPTIONS);
    const handle = addon.upload(other, new Float32Array(1), 0, [1]);
    assert.throws(() => addon.share(device, handle), /used after it was disposed/);
    addon.closeDevice(other);
  });
});
