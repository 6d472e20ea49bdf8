// Every op of the table is held against its reference on every device; an op without a test fails here.
// Invariant: counts comparisons that were made, not intentions; so the suites that make them are imported first.
import './activation.test.js';
import './augment.test.js';
import './average.test.js';
import './cast.test.js';
import './conv2d.test.js';
import './elementwise.test.js';
import './int8.test.js';
import './linear.test.js';
import './loss.test.js';
import './lrn-max-pool2d.test.js';
import './lrn.test.js';
import './pool2d.test.js';
import './random.test.js';
import './sgd.test.js';
import '../optim/loss-scaler.test.js';
import assert from 'node:assert/strict';
import { table } from '../../lib/ops/table.js';
import { coveredOps, supportOf, testTargets, type TestTarget } from '../helpers/devices.js';

/** Ops that other devices refuse, and where they are not worth having the CPU, too: int8.test.ts has the refusals. */
const CPU_ONLY = ['quantize', 'dequantize', 'quantizeWeights', 'conv2dInt8', 'linearInt8', 'lrnInt8'];
const NEEDS_VNNI = ['conv2dInt8', 'linearInt8', 'lrnInt8'];

function refused(target: TestTarget): readonly string[] {
  if (target !== 'cpu') return CPU_ONLY;
  return supportOf('cpu', 'int8') === 'fast' ? [] : NEEDS_VNNI;
}

describe('the suites above', () => {
  for (const target of testTargets) {
    it(`compared the outputs of every op of the table on ${target}`, () => {
      const covered = coveredOps(target);
      assert.deepEqual(
        Object.keys(table).filter((op) => !covered.has(op)),
        refused(target),
      );
    });
  }
});
