// Which implementations the CPU backend chooses for AlexNet: none that is there for completeness alone.
// Invariant: every instruction set that this machine has is tried, by capping oneDNN's in a process of its own.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { PlanDescription } from '../../lib/tensor/device.js';
import { supportOf } from '../helpers/devices.js';
import { plansOfOneStep, type Found } from './one-step.js';

const SCRIPT = fileURLToPath(new URL('./one-step.js', import.meta.url));

/** oneDNN's caps, what a device then calls itself, and the precisions that are worth using there. */
const CAPS = [
  { cap: 'AVX2', name: 'AVX2', precisions: ['float32'] },
  { cap: 'AVX512_CORE', name: 'AVX-512', precisions: ['float32'] },
  { cap: 'AVX512_CORE_BF16', name: 'AVX-512 BF16', precisions: ['bfloat16'] },
  { cap: 'AVX512_CORE_AMX', name: 'AVX-512 AMX', precisions: ['bfloat16'] },
] as const;

async function under(cap: string, precision: string): Promise<Found> {
  const env = { ...process.env, ONEDNN_MAX_CPU_ISA: cap };
  const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, precision], { env });
  return JSON.parse(stdout) as Found;
}

/** Implementations for completeness: plain loops, and a matrix product of which oneDNN says so. */
function slow(plans: readonly PlanDescription[]): readonly PlanDescription[] {
  return plans.filter(({ implementation }) => /\b(ref|reference|simple)\b/.test(implementation));
}

describe('the CPU backend at the shapes of AlexNet', () => {
  let plans: readonly PlanDescription[];
  before(async () => {
    ({ plans } = await plansOfOneStep('float32'));
  });

  it('computes every layer by a plan of its own', () => {
    const layers = (op: string) =>
      plans
        .filter((plan) => plan.op === op)
        .map(({ label }) => label)
        .sort();
    const convolutions = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];
    const fully = ['fc6', 'fc7', 'fc8'];
    const normalised = ['lrn1+pool1', 'lrn2+pool2'];
    assert.deepEqual(layers('conv2dForward'), convolutions);
    assert.deepEqual(layers('conv2dBackwardData'), convolutions.slice(1));
    assert.deepEqual(layers('conv2dBackwardWeights'), convolutions);
    assert.deepEqual(layers('linearForward'), fully);
    assert.deepEqual(layers('linearBackwardData'), fully);
    assert.deepEqual(layers('linearBackwardWeights'), fully);
    assert.deepEqual(layers('lrnMaxPool2dForward'), normalised);
    assert.deepEqual(layers('lrnMaxPool2dBackward'), normalised);
    assert.deepEqual(layers('maxPool2dForward'), ['pool5']);
    assert.deepEqual(layers('maxPool2dBackward'), ['pool5']);
  });

  it('chooses no reference implementation', () => {
    assert.deepEqual(slow(plans), []);
  });

  for (const { cap, name, precisions } of CAPS) {
    for (const precision of precisions) {
      if (precision === 'bfloat16' && supportOf('cpu', precision) !== 'fast') continue;
      it(`chooses none in ${precision} with ${name} and less`, async function () {
        this.timeout(20_000);
        const found = await under(cap, precision);
        assert.deepEqual(slow(found.plans), []);
        assert.ok(found.plans.length >= 30, `${found.plans.length} plans`);
        const own = found.plans.filter(({ op }) => /pool/i.test(op));
        assert.equal(own.length, 6);
        // A machine that has less than the cap is not held back by it; own kernels are held to it as oneDNN's are.
        if (cap !== 'AVX2') return;
        assert.equal(found.instructionSet, name);
        for (const { implementation } of own) assert.equal(implementation, 'rows:avx2');
      });
    }
  }
});
