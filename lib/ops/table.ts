// The TypeScript half of the op table: the same lines as native/core/op_table.def, each with its shape rule.
// Invariant: shapes are checked here, once, at the call; the two halves are compared when the first op runs.
import type { OutputSpec } from '../tensor/device.js';
import * as int8 from './int8-rules.js';
import * as rules from './rules.js';

/** One operation. `rule` returns the outputs' specs in order, or throws a ShapeError or DTypeError. */
export interface OpDefinition {
  readonly inputs: string;
  readonly outputs: string;
  readonly attributes: string;
  readonly rule: (context: rules.RuleContext) => OutputSpec[];
}

const conv = 'strideH strideW padTop padBottom padLeft padRight groups';
const pool = 'kernelH kernelW strideH strideW padTop padBottom padLeft padRight';
const lrn = 'size alpha beta k channelGroups';
const random = 'seed step stream';

function op(inputs: string, outputs: string, attributes: string, rule: OpDefinition['rule']): OpDefinition {
  return { inputs, outputs, attributes, rule };
}

export const table = {
  fill: op('', 'y', 'value', rules.asGiven),
  gaussian: op('', 'y', `mean std ${random}`, rules.asGiven),
  uniform: op('', 'y', `low high ${random}`, rules.asGiven),
  cast: op('x', 'y', '', rules.castLike),
  reshape: op('x', 'y', '', rules.reshape),
  affine: op('x', 'y', 'scale shift', rules.unary),
  add: op('x y', 'z', '', rules.binary),
  multiply: op('x y', 'z', '', rules.binary),
  sum: op('x', 'y', '', rules.toScalar),
  sumSquares: op('x', 'y', '', rules.toScalar),
  clamp: op('x', 'y', 'low high', rules.unary),
  scaleBy: op('x s', 'y', '', rules.scaleBy),

  conv2dForward: op('x w b?', 'y', `${conv} relu`, rules.conv2dForward),
  conv2dBackwardData: op('w dy', 'dx', conv, rules.conv2dBackwardData),
  conv2dBackwardWeights: op('x dy', 'dw db?', conv, rules.conv2dBackwardWeights),
  linearForward: op('x w b?', 'y', 'relu', rules.linearForward),
  linearBackwardData: op('w dy', 'dx', '', rules.linearBackwardData),
  linearBackwardWeights: op('x dy', 'dw db?', '', rules.linearBackwardWeights),

  quantize: op('x', 'y', 'scale', int8.quantize),
  dequantize: op('x', 'y', 'scale', int8.dequantize),
  quantizeWeights: op('w', 'q scales', '', int8.quantizeWeights),
  conv2dInt8: op('x w scales b?', 'y', `${conv} relu inputScale outputScale`, int8.conv2dInt8),
  linearInt8: op('x w scales b?', 'y', 'relu inputScale outputScale', int8.linearInt8),
  lrnInt8: op('x', 'y', 'size alpha beta k channelGroups', int8.lrnInt8),

  reluForward: op('x', 'y', '', rules.unary),
  reluBackward: op('y dy', 'dx', '', rules.binary),
  tanhForward: op('x', 'y', '', rules.unary),
  tanhBackward: op('y dy', 'dx', '', rules.binary),
  sigmoidForward: op('x', 'y', '', rules.unary),
  sigmoidBackward: op('y dy', 'dx', '', rules.binary),

  lrnForward: op('x', 'y', lrn, rules.lrn),
  lrnBackward: op('x dy', 'dx', lrn, rules.lrn),
  lrnWithinForward: op('x', 'y', 'size alpha beta k', rules.lrn),
  lrnWithinBackward: op('x dy', 'dx', 'size alpha beta k', rules.lrn),

  maxPool2dForward: op('x', 'y argmax?', pool, rules.maxPool2dForward),
  maxPool2dBackward: op('argmax dy', 'dx', pool, rules.pool2dBackward),
  avgPool2dForward: op('x', 'y', `${pool} clipped`, rules.avgPool2dForward),
  avgPool2dBackward: op('dy', 'dx', `${pool} clipped`, rules.pool2dBackward),

  lrnMaxPool2dForward: op('x', 'y argmax?', `${lrn} ${pool}`, rules.lrnMaxPool2dForward),
  lrnMaxPool2dBackward: op('x argmax dy', 'dx', `${lrn} ${pool} relu`, rules.lrnMaxPool2dBackward),

  dropout: op('x', 'y', `rate scale ${random}`, rules.unary),
  softmaxForward: op('x', 'y', '', rules.rows),
  softmaxBackward: op('y dy', 'dx', '', rules.rowsBackward),
  crossEntropyForward: op('logits labels', 'loss probabilities', 'smoothing', rules.crossEntropyForward),
  crossEntropyBackward: op('probabilities labels', 'dlogits', 'smoothing', rules.crossEntropyBackward),
  labelRank: op('logits labels', 'rank', '', rules.labelRank),
  topK: op('x', 'values indices', 'k', rules.topK),

  sgd: op('w v dw scale?', '', 'learningRate momentum weightDecay torchForm', rules.sgd),
  updateLossScale: op(
    'scale factor counts squares',
    '',
    'growthFactor backoffFactor growthInterval',
    rules.updateLossScale,
  ),
  average: op('e x', '', 'decay', rules.average),
  clipScale: op('squares', 'scale', 'maxNorm', rules.clipScale),
  augment: op('images records mean std frames?', 'y', '', rules.augment),
} satisfies Record<string, OpDefinition>;

export type OpName = keyof typeof table;

/** `inputs -> outputs | attributes`, as the native side writes it. */
export function signatureOf(definition: OpDefinition): string {
  return `${definition.inputs} -> ${definition.outputs} | ${definition.attributes}`;
}
