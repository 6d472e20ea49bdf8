// The references in a row make the two CIFAR nets whose logits, loss and gradients PyTorch computed.
// Invariant: float64 on both sides; what passes here is the arithmetic that the models are held to.
import assert from 'node:assert/strict';
import { assertClose } from './compare.js';
import { assertChecksum, type Checksums, loadGolden, type StepGolden } from './golden.js';
import type { HashSpec } from './hash-values.js';
import * as reference from './reference.js';
import { hashNdArray, type NdArray } from './reference.js';

const SAME = { top: 2, bottom: 2, left: 2, right: 2 };
const OVER_THE_EDGE = { top: 0, bottom: 1, left: 0, right: 1 };
const POOL = { kernel: { h: 3, w: 3 }, stride: { h: 2, w: 2 }, padding: OVER_THE_EDGE };

/** Applies layers one after another and remembers the way back. */
class Chain {
  readonly activations = new Map<string, NdArray>();
  readonly gradients = new Map<string, NdArray>();
  readonly #parameters: Readonly<Record<string, HashSpec>>;
  readonly #backwards: ((dy: NdArray) => NdArray)[] = [];
  y: NdArray;

  constructor(golden: StepGolden) {
    this.#parameters = golden.parameters;
    this.y = hashNdArray(golden.input);
  }

  conv(name: string): this {
    const { x, w, b } = this.#weighted(name);
    const options = { stride: { h: 1, w: 1 }, padding: SAME, groups: 1 };
    return this.#push(reference.conv2d(x, w, b, options), (dy) => {
      this.#record(name, reference.conv2dBackwardWeights(dy, x, w.shape, options));
      return reference.conv2dBackwardData(dy, w, x.shape, options);
    });
  }

  linear(name: string): this {
    const { x, w, b } = this.#weighted(name);
    const flat = reference.reshape(x, [x.shape[0]!, w.shape[1]!]);
    return this.#push(reference.linear(flat, w, b), (dy) => {
      this.#record(name, reference.linearBackwardWeights(dy, flat));
      return reference.reshape(reference.linearBackwardData(dy, w), x.shape);
    });
  }

  relu(): this {
    const y = reference.relu(this.y);
    return this.#push(y, (dy) => reference.reluBackward(y, dy));
  }

  maxPool(): this {
    const x = this.y;
    const { y, argmax } = reference.maxPool2d(x, POOL);
    return this.#push(y, (dy) => reference.maxPool2dBackward(dy, argmax, x.shape));
  }

  averagePool(): this {
    const x = this.y;
    const options = { ...POOL, divisor: 'clipped' } as const;
    return this.#push(reference.avgPool2d(x, options), (dy) =>
      reference.avgPool2dBackward(dy, x.shape, options),
    );
  }

  /** cuda-convnet's scale 5e-5 is divided by the window's 9 pixels. */
  lrn(): this {
    const x = this.y;
    const options = { size: 3, alpha: 5e-5 / 9, beta: 0.75, k: 1 };
    return this.#push(reference.lrnWithinChannel(x, options), (dy) =>
      reference.lrnWithinChannelBackward(x, dy, options),
    );
  }

  /** Keeps the present output under a name. */
  as(name: string): this {
    this.activations.set(name, this.y);
    return this;
  }

  backward(dy: NdArray): void {
    this.#backwards.reduceRight((gradient, backward) => backward(gradient), dy);
  }

  #weighted(name: string): { x: NdArray; w: NdArray; b: NdArray } {
    const w = hashNdArray(this.#parameters[`${name}.weight`]!);
    return { x: this.y, w, b: hashNdArray(this.#parameters[`${name}.bias`]!) };
  }

  #record(name: string, { dw, db }: { dw: NdArray; db: NdArray }): void {
    this.gradients.set(`${name}.weight`, dw).set(`${name}.bias`, db);
  }

  #push(y: NdArray, backward: (dy: NdArray) => NdArray): this {
    this.y = y;
    this.#backwards.push(backward);
    return this;
  }
}

function net80sec(chain: Chain): Chain {
  chain.conv('conv1').maxPool().relu().as('pool1');
  chain.conv('conv2').relu().averagePool().as('pool2');
  chain.conv('conv3').relu().averagePool().as('pool3');
  return chain.linear('fc64').relu().as('fc64').linear('fc10');
}

function net18pct(chain: Chain): Chain {
  chain.conv('conv1').maxPool().relu().as('pool1').lrn().as('lrn1');
  chain.conv('conv2').relu().averagePool().as('pool2').lrn().as('lrn2');
  chain.conv('conv3').relu().averagePool().as('pool3');
  return chain.linear('fc10');
}

/** Every array that was recorded, and no other. */
function assertTable(actual: ReadonlyMap<string, NdArray>, expected: Checksums): void {
  assert.deepEqual([...actual.keys()].sort(), Object.keys(expected).sort());
  for (const [name, sums] of Object.entries(expected)) {
    assertChecksum(actual.get(name)!.data, sums, { tolerance: 1e-10, what: name });
  }
}

describe("references in a row are torch's CIFAR nets", () => {
  const goldens = loadGolden('cifar-nets');
  for (const [name, net] of [
    ['80sec', net80sec],
    ['18pct', net18pct],
  ] as const) {
    it(`${name}: logits, loss, activations and all gradients`, () => {
      const golden = goldens[name];
      const chain = net(new Chain(golden));
      const logits = chain.y;
      chain.backward(reference.crossEntropyBackward(logits, golden.labels));
      const { loss } = reference.crossEntropy(logits, golden.labels);
      assertClose(logits.data, golden.logits.data, { rtol: 1e-10, atol: 1e-10, what: 'logits' });
      assertClose([loss], [golden.loss], { rtol: 1e-12, atol: 0, what: 'loss' });
      assertTable(chain.activations, golden.activations);
      assertTable(chain.gradients, golden.gradients);
    });
  }
});
