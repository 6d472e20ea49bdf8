// The devices that suites run on, and what a test needs to put work on one and to judge what comes back.
// Invariant: a suite runs on every device alike; a test that leaves tensors behind fails.
import assert from 'node:assert/strict';
import { conv2d } from '../../lib/ops/index.js';
import {
  openDevice,
  type Device,
  type DeviceKind,
  type DeviceOptions,
  type DTypeSupport,
} from '../../lib/tensor/device.js';
import type { DType, InferencePrecision } from '../../lib/tensor/dtype.js';
import type { Shape } from '../../lib/tensor/shape.js';
import type { Tensor } from '../../lib/tensor/tensor.js';
import { assertClose } from './compare.js';
import { dims4, ndArray, zeros, type NdArray } from './reference.js';
import { isSimulatorBuilt, useSimulator } from './simulator.js';
import { tolerance, type ToleranceKey } from './tolerance.js';

/** What a suite can run on: the CPU, the GPU of this machine, or the simulated one. */
export type TestTarget = 'cpu' | 'cuda' | 'simulated cuda';

/**
 * The devices under test: ALEXNET_TEST_DEVICES, separated by commas, or the CPU and the simulated GPU if it is built.
 */
export const testTargets: readonly TestTarget[] = targetsFrom(process.env['ALEXNET_TEST_DEVICES']);

function targetsFrom(list: string | undefined): readonly TestTarget[] {
  if (list === undefined) return isSimulatorBuilt() ? ['cpu', 'simulated cuda'] : ['cpu'];
  const targets = list.split(',').map((name) => name.trim());
  const unknown = targets.find((name) => !['cpu', 'cuda', 'simulated cuda'].includes(name));
  assert.equal(unknown, undefined, `ALEXNET_TEST_DEVICES: no device '${unknown}'`);
  // Both are opened as 'cuda', and libraries are looked for once in a process.
  assert.ok(!(targets.includes('cuda') && targets.includes('simulated cuda')), 'one kind of GPU at a time');
  return targets as TestTarget[];
}

/** How elements may lie in memory: the host's order, or the one a convolution chose. Never visible in results. */
export const layouts = ['as uploaded', 'as a convolution leaves it'] as const;
export type Layout = (typeof layouts)[number];

type Rank4 = readonly [number, number, number, number];

/** A tensor that came back. */
export interface HostTensor {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: ArrayLike<number>;
}

/** How a device computes in a type; asked before its suites are declared, so that each declares what it will run. */
export function supportOf(target: TestTarget, dtype: InferencePrecision): DTypeSupport {
  using device = openTarget(target);
  return device.support(dtype);
}

const covered = new Map<TestTarget, Set<string>>(testTargets.map((target) => [target, new Set()]));

/** Ops whose outputs have been held against their reference on a device so far. */
export function coveredOps(target: TestTarget): ReadonlySet<string> {
  return covered.get(target)!;
}

export function openTarget(target: TestTarget, options: DeviceOptions = {}): Device {
  if (target === 'simulated cuda') useSimulator();
  return openDevice(target === 'cpu' ? 'cpu' : 'cuda', options);
}

/** A device that is open while its suite runs. */
export class TestDevice {
  readonly target: TestTarget;
  readonly kind: DeviceKind;
  #device: Device | undefined;

  constructor(target: TestTarget) {
    this.target = target;
    this.kind = target === 'cpu' ? 'cpu' : 'cuda';
  }

  open(options: DeviceOptions = {}): void {
    this.#device = openTarget(this.target, options);
  }

  /** The simulated GPU notices what a real one forgives until it does not. */
  async expectNoViolations(): Promise<void> {
    if (this.target !== 'simulated cuda') return;
    // Freed memory that something still uses is noticed once it is really freed.
    this.device.trim();
    // What a test made to fail on purpose is reported here again.
    await this.device.synchronize().catch(() => {});
    assert.deepEqual(useSimulator().violations(), []);
  }

  close(): void {
    this.#device?.dispose();
  }

  get device(): Device {
    return this.#device!;
  }

  /** Uploads as float32. The type follows from where it is used. */
  tensor<S extends Shape>(x: NdArray, layout: Layout = 'as uploaded'): Tensor<'float32', S> {
    const uploaded = this.device.tensor(Float32Array.from(x.data), { shape: x.shape });
    const laid = layout === 'as uploaded' ? uploaded : this.#throughConvolution(uploaded, dims4(x.shape)[1]);
    return laid as Tensor as Tensor<'float32', S>;
  }

  labels(values: ArrayLike<number>): Tensor<'int32', readonly [number]> {
    return this.device.tensor(Int32Array.from(values), { shape: [values.length] });
  }

  /** Convolved with the identity: the same values (products with 0 and 1 are exact) in that op's layout. */
  #throughConvolution(x: Tensor<'float32'>, channels: number): Tensor<'float32', Rank4> {
    const identity = zeros([channels, channels, 1, 1]);
    for (let c = 0; c < channels; c++) identity.data[c * channels + c] = 1;
    return conv2d(x as Tensor<'float32', Rank4>, this.tensor(identity));
  }

  /** Runs `work`, brings what it returns to the host, and disposes all tensors it made. */
  async compute<T extends Readonly<Record<string, Tensor>>>(
    work: () => T,
  ): Promise<{ [K in keyof T]: HostTensor }> {
    const tensors = Object.entries<Tensor>(this.device.scope(work));
    const arrays = await Promise.allSettled(tensors.map(([, tensor]) => tensor.data()));
    for (const [, tensor] of tensors) tensor.dispose();
    const failed = arrays.find((result) => result.status === 'rejected');
    if (failed) throw failed.reason;
    const results = tensors.map(([name, { dtype, shape }], i) => {
      const data = (arrays[i] as PromiseFulfilledResult<ArrayLike<number>>).value;
      return [name, { dtype, shape, data }] as const;
    });
    return Object.fromEntries(results) as { [K in keyof T]: HostTensor };
  }

  /** Compares an op's output with its reference by that op's tolerance, and notes the op as covered. */
  expect(op: ToleranceKey, actual: HostTensor, expected: NdArray, what = 'output'): void {
    assert.deepEqual(actual.shape, expected.shape, `${op}: shape of the ${what}`);
    const close = { ...tolerance(op, expected.data), what: `${op}: ${what}` };
    assertClose(actual.data, expected.data, close);
    covered.get(this.target)!.add(op);
  }

  /** Compares chosen elements, where the reference of all of them would take too long. */
  expectSamples(
    op: ToleranceKey,
    actual: HostTensor,
    expected: {
      readonly shape: readonly number[];
      readonly indices: readonly number[];
      at(index: number): number;
    },
  ): void {
    assert.deepEqual(actual.shape, expected.shape, `${op}: shape`);
    const picked = {
      ...actual,
      shape: [expected.indices.length],
      data: expected.indices.map((i) => actual.data[i]!),
    };
    this.expect(
      op,
      picked,
      ndArray(
        picked.shape,
        expected.indices.map((i) => expected.at(i)),
      ),
      'samples',
    );
  }
}

/** A step of a network takes a second on the simulated GPU, and much more on a machine that has other work. */
const SIMULATED_TIMEOUT_MS = 300_000;

export interface SuiteOptions {
  /** Dozens of steps of a network: too many for the simulated GPU. Default false. */
  readonly long?: boolean;
  /** What the device is opened with. */
  readonly device?: DeviceOptions;
}

/** A suite for each device under test. */
export function forEachDevice(
  title: string,
  suite: (on: TestDevice) => void,
  { long = false, device = {} }: SuiteOptions = {},
): void {
  for (const target of testTargets) {
    if (long && target === 'simulated cuda') continue;
    describe(`${title} (${target})`, function () {
      if (target === 'simulated cuda') this.timeout(SIMULATED_TIMEOUT_MS);
      const on = new TestDevice(target);
      let tensors = 0;
      before(() => on.open(device));
      beforeEach(() => {
        tensors = on.device.memory().tensors;
      });
      suite(on);
      afterEach('no tensor is left behind', () => assert.equal(on.device.memory().tensors, tensors));
      afterEach('no rule of the simulated GPU is broken', () => on.expectNoViolations());
      after(() => on.close());
    });
  }
}

/** A test for each way in which an input can lie in memory. */
export function forEachLayout(title: string, test: (layout: Layout) => Promise<void>): void {
  for (const layout of layouts) it(`${title}, input ${layout}`, () => test(layout));
}
