// What a checkpoint's JSON must be before a training goes on with it.
// Invariant: what passes has the types that it claims, and counters that a training can have.
import { FileFormatError } from '../errors.js';
import type { CheckpointContents, DeviceState } from './checkpoint.js';

type Test = (value: unknown) => boolean;
type Shape = Readonly<Record<string, Test>>;

const isRecord: Test = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);
const isCount: Test = (value) => Number.isSafeInteger(value) && (value as number) >= 0;
const isPositive: Test = (value) => isCount(value) && value !== 0;
const isNumber: Test = (value) => Number.isFinite(value);
const isText: Test = (value) => typeof value === 'string';
const isFlag: Test = (value) => typeof value === 'boolean';
/** JSON has null for NaN and infinity. */
const isMeasure: Test = (value) => value === null || isNumber(value);

const listOf =
  (test: Test): Test =>
  (value) =>
    Array.isArray(value) && value.every(test);
const orNull =
  (test: Test): Test =>
  (value) =>
    value === null || test(value);
const recordOf =
  (shape: Shape): Test =>
  (value) =>
    isRecord(value) && wrongKey(value as Record<string, unknown>, shape) === undefined;

/** The first key whose value is not as the shape has it. */
function wrongKey(value: Readonly<Record<string, unknown>>, shape: Shape): string | undefined {
  return Object.keys(shape).find((key) => !shape[key]!(value[key]));
}

const best: Shape = { best: isMeasure, epochsSince: isCount };
const fingerprint = recordOf({ pictures: isPositive, side: isPositive, classes: isText, names: isText });

const STATE: Shape = {
  step: isCount,
  epoch: isPositive,
  position: isCount,
  stepInEpoch: isCount,
  batchSize: isPositive,
  stepsPerEpoch: isPositive,
  meter: recordOf({ images: isCount, loss: isMeasure, top1: isMeasure, top5: isMeasure }),
  best: orNull(recordOf({ epoch: isPositive, error: isMeasure, metrics: isRecord })),
  plateauFactor: isNumber,
  plateau: orNull(recordOf({ ...best, drops: isCount })),
  earlyStopping: orNull(recordOf(best)),
  guard: recordOf({ recent: listOf(isMeasure), deadLooks: isCount, started: isFlag, warned: isFlag }),
  elapsedMs: isNumber,
  epochMs: isNumber,
};

const CONTENTS: Shape = {
  state: isRecord,
  options: isRecord,
  data: recordOf({ train: fingerprint, validation: orNull(fingerprint) }),
  augmentation: isText,
  ownLoss: isFlag,
  frozen: listOf(isText),
  lossScale: (value) =>
    value === undefined || recordOf({ scale: isNumber, steps: isCount, skippedSteps: isCount })(value),
};

/**
 * @param found  what was read, without its version
 * @throws FileFormatError that names the first part that is not as it must be
 */
export function checkContents(
  path: string,
  found: Readonly<Record<string, unknown>>,
): CheckpointContents & DeviceState {
  const wrong = wrongKey(found, CONTENTS) ?? wrongKey(found['state'] as Record<string, unknown>, STATE);
  if (wrong === undefined) return found as unknown as CheckpointContents & DeviceState;
  throw new FileFormatError(path, `damaged: its state of training has no usable '${wrong}'.`);
}
