// Which precisions there are, and whether a device is worth using in one.
// Invariant: refuses before any weight is made.
import { ArgumentError, DeviceError } from '../errors.js';
import type { Device } from '../tensor/device.js';
import type { InferencePrecision, Precision } from '../tensor/dtype.js';

const precisions: readonly Precision[] = ['float32', 'bfloat16', 'float16'];

/** @throws ArgumentError for a precision that does not exist */
export function checkPrecisionName(builder: string, precision: Precision): void {
  if (!precisions.includes(precision)) {
    throw new ArgumentError(
      `${builder}: no precision '${String(precision)}'; there are ${precisions.join(', ')}.`,
    );
  }
}

/** @throws DeviceError if the device does not compute in the precision, or not faster than in float32 */
export function checkPrecision(precision: InferencePrecision, device: Device): void {
  const support = device.support(precision);
  if (support === 'fast') return;
  const { kind, properties } = device.info;
  const what = support === 'none' ? 'does not compute in' : 'is slower in';
  const than = support === 'none' ? '' : ' than in float32';
  const set = properties['instructionSet'];
  throw new DeviceError(
    `The ${kind} device${set ? ` (${set})` : ''} ${what} ${precision}${than}: use precision 'float32'.`,
  );
}
