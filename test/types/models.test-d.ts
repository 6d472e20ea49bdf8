// The types of layers and models: options that exist, layers of users that fit, predictions by what was asked.
// Invariant: compiled with everything else, never run.
import {
  alexnet,
  cifarNet,
  Conv2d,
  Dropout,
  Layer,
  openDevice,
  SGD,
  type Activations,
  type Device,
  type Forward,
  type Mode,
  type Model,
  type Parameter,
  type ScoredClass,
  type Shape,
  type Tensor,
} from '../../lib/index.js';
import type { Equal, Expect } from './expect.js';

declare const model: Model;
declare const x: Activations;
declare const integers: Tensor<'int32'>;
declare const picture: Uint8Array;
declare const parameters: readonly Parameter[];

export const opened = openDevice('auto', { threads: 2 });
export const logits = model.forward(x);
export const one = model.predict('cat.jpg');
export const several = model.predict(['cat.jpg', picture]);

export type Results = [
  Expect<Equal<typeof opened, Device>>,
  Expect<Equal<typeof logits, Tensor<'float32', readonly [number, number]>>>,
  Expect<Equal<Awaited<typeof one>, ScoredClass[]>>,
  Expect<Equal<Awaited<typeof several>, ScoredClass[][]>>,
  Expect<Equal<ReturnType<typeof model.initialize>, Model>>,
];

/** As little as a user's layer has to have. */
export class Identity extends Layer {
  override readonly kind = 'Identity';

  override outputShape(input: Shape): Shape {
    return input;
  }

  override forward(input: Activations, _mode: Mode): Forward {
    return { y: input.share(), saved: null };
  }

  override backward(dy: Activations): Activations {
    return dy.share();
  }
}

// @ts-expect-error forward and backward are missing
export class Nothing extends Layer {}

// @ts-expect-error there is no such preset
alexnet({ preset: 'resnet50' });
// @ts-expect-error AlexNet has one or two towers
alexnet({ groups: 3 });
// @ts-expect-error there is no such net
cifarNet({ net: '17pct' });
// @ts-expect-error a convolution has a kernel
export const blind = new Conv2d({ inChannels: 3, outChannels: 4 });
// @ts-expect-error a dropout layer has a stream of its own
export const unseeded = new Dropout({ rate: 0.5 });
// @ts-expect-error there is no such device
openDevice('tpu');
// @ts-expect-error an optimiser has a learning rate
export const still = new SGD(parameters, {});
// @ts-expect-error layers take float32
model.forward(integers);
