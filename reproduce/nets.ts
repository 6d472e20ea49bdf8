// The authors' CIFAR-10 nets and the variants that are compared with them.
// Invariant: a variant differs from its net in what it is named after, and in nothing else; shapes stay the same.
import {
  AvgPool2d,
  cifarNet,
  LocalResponseNorm,
  MaxPool2d,
  Model,
  ReLU,
  Sequential,
  Tanh,
  type CifarNetName,
  type Layer,
} from '../lib/index.js';

export interface Variant {
  readonly net: CifarNetName;
  /** 'tanh' in place of every ReLU. */
  readonly activation?: 'tanh';
  /** 'plain': windows of 2 with stride 2, which do not overlap, in place of 3 with stride 2. */
  readonly pooling?: 'plain';
  /**
   * 'none' leaves response normalisation out of the net. 'within' adds that of 18pct (within a channel, 3 x 3) behind
   * the first and second pooling, and their ReLUs, of a net that has none.
   */
  readonly normalization?: 'none' | 'within';
}

export function buildNet(variant: Variant, classNames: readonly string[]): Model {
  const original = cifarNet({ net: variant.net, classNames });
  const layers = withNormalization(original.network.layers, variant).map((layer) => replace(layer, variant));
  const { inputShape, recipe } = original;
  return new Model({
    network: new Sequential(layers, { name: variant.net }),
    inputShape,
    classNames,
    ...(recipe && { recipe }),
  });
}

function replace(layer: Layer, { activation, pooling }: Variant): Layer {
  const { name } = layer;
  if (activation === 'tanh' && layer instanceof ReLU) return new Tanh({ name: name.replace('relu', 'tanh') });
  if (pooling !== 'plain') return layer;
  const plain = { name, kernelSize: 2, stride: 2 };
  if (layer instanceof MaxPool2d) return new MaxPool2d(plain);
  return layer instanceof AvgPool2d ? new AvgPool2d(plain) : layer;
}

function withNormalization(layers: readonly Layer[], { normalization }: Variant): Layer[] {
  if (normalization === 'none') return layers.filter((layer) => !(layer instanceof LocalResponseNorm));
  if (normalization === undefined) return [...layers];
  const norms = new Map([
    ['relu1', 'lrn1'],
    ['pool2', 'lrn2'],
  ]);
  const added = cifarNet({ net: '18pct' }).network.layers;
  return layers.flatMap((layer) => [layer, ...added.filter(({ name }) => name === norms.get(layer.name))]);
}
