// Every error this package throws on purpose, each with a code that programs can switch on.
// Invariant: a message says what was expected, what was found, and what to do about it.

/** The codes of {@link AlexnetError}, one a kind of failure; docs/errors.md says what each means. */
export const errorCodes = [
  'ERR_SHAPE',
  'ERR_DTYPE',
  'ERR_ARGUMENT',
  'ERR_DEVICE',
  'ERR_DISPOSED',
  'ERR_OUT_OF_MEMORY',
  'ERR_UNSUPPORTED',
  'ERR_NATIVE',
  'ERR_ADDON',
  'ERR_DATA',
  'ERR_DECODE',
  'ERR_FILE',
  'ERR_IN_USE',
  'ERR_NON_FINITE',
  'ERR_DEAD_START',
  'ERR_ABORTED',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Base of all errors of this package. `code` is stable; the message is for people. */
export class AlexnetError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.name = `${new.target.name} [${code}]`;
  }
}

/** A tensor or layer was given a shape it cannot take. */
export class ShapeError extends AlexnetError {
  constructor(message: string) {
    super('ERR_SHAPE', message);
  }
}

/** An operation was given a data type it does not compute in. */
export class DTypeError extends AlexnetError {
  constructor(message: string) {
    super('ERR_DTYPE', message);
  }
}

/** An option has a value outside its range, or two options exclude each other. */
export class ArgumentError extends AlexnetError {
  constructor(message: string) {
    super('ERR_ARGUMENT', message);
  }
}

/** A tensor, device or model was used after `dispose()`. */
export class DisposedError extends AlexnetError {
  constructor(message: string) {
    super('ERR_DISPOSED', message);
  }
}

/** A device is missing, or tensors of different devices met. */
export class DeviceError extends AlexnetError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DEVICE', message, options);
  }
}

/**
 * An operation failed on the device, after the call that described it had returned.
 * `op` is the operation's name in the op table, `label` the layer or caller that asked for it.
 */
export class NativeError extends AlexnetError {
  readonly op: string;
  readonly label: string;

  constructor(
    code: 'ERR_OUT_OF_MEMORY' | 'ERR_UNSUPPORTED' | 'ERR_NATIVE',
    message: string,
    where: { op: string; label: string },
  ) {
    super(code, message);
    this.op = where.op;
    this.label = where.label;
  }
}

/** The native addon could not be loaded, or does not match this version's JavaScript. */
export class AddonError extends AlexnetError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_ADDON', message, options);
  }
}

/** A dataset is unusable as a whole: no pictures, one class only, classes that do not match the model's. */
export class DataError extends AlexnetError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_DATA', message, options);
  }
}

/** One picture cannot be decoded. `path` names it. */
export class DecodeError extends AlexnetError {
  readonly path: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super('ERR_DECODE', `${path}: ${reason}`, options);
    this.path = path;
  }
}

/** A file of ours is missing, truncated, damaged or of another kind. `path` names it. */
export class FileFormatError extends AlexnetError {
  readonly path: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super('ERR_FILE', `${path}: ${reason}`, options);
    this.path = path;
  }
}

/** A file could not be written; what stood at `path` before is as it was. `cause` is the system's error. */
export class FileWriteError extends AlexnetError {
  readonly path: string;

  constructor(path: string, reason: string, options?: ErrorOptions) {
    super('ERR_FILE', `${path}: ${reason}`, options);
    this.path = path;
  }
}

/** Another process writes where this one was to write. `path` names the place, `pid` and `host` the process. */
export class InUseError extends AlexnetError {
  readonly path: string;
  readonly pid: number;
  readonly host: string;

  constructor(path: string, reason: string, by: { readonly pid: number; readonly host: string }) {
    super('ERR_IN_USE', `${path}: ${reason}`);
    this.path = path;
    this.pid = by.pid;
    this.host = by.host;
  }
}

/** A network cannot be trained or evaluated: its numbers are not finite, or its loss does not leave its starting value. */
export class TrainingError extends AlexnetError {
  constructor(code: 'ERR_NON_FINITE' | 'ERR_DEAD_START', message: string) {
    super(code, message);
  }
}

/** Work was stopped through an AbortSignal. */
export class AbortedError extends AlexnetError {
  constructor(message: string, options?: ErrorOptions) {
    super('ERR_ABORTED', message, options);
  }
}
