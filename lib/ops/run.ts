// Runs one operation: checks it against the table, submits it, wraps what comes out.
// Invariant: the one way from TypeScript to a kernel.
import { AddonError, DeviceError } from '../errors.js';
import { loadAddon } from '../native/addon.js';
import type { Device, OutputSpec } from '../tensor/device.js';
import type { Tensor } from '../tensor/tensor.js';
import { signatureOf, table, type OpDefinition, type OpName } from './table.js';

/** A call: inputs by name (absent optional ones left out), attributes by name. */
export interface Call {
  /** Where to run, for ops without inputs. Default: the inputs' device. */
  readonly device?: Device;
  readonly inputs?: Readonly<Record<string, Tensor | undefined>>;
  readonly attributes?: Readonly<Record<string, number>>;
  /** The result's type and shape, where inputs do not determine it. */
  readonly result?: OutputSpec;
  /** Optional outputs that are not wanted. */
  readonly without?: readonly string[];
  /** The layer or caller, for messages. Default: the op's name. */
  readonly label?: string | undefined;
}

interface CompiledOp {
  readonly index: number;
  readonly definition: OpDefinition;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: readonly string[];
}

let compiled: ReadonlyMap<string, CompiledOp> | undefined;

function names(text: string): string[] {
  return text.split(' ').filter(Boolean);
}

/** @throws AddonError if the addon's table is not this one: they are of different versions. */
function compile(): ReadonlyMap<string, CompiledOp> {
  const native = loadAddon().ops();
  const differences = compareTables(native);
  if (differences.length > 0) {
    throw new AddonError(
      `The native addon and this package do not belong together: ${differences.join('; ')}. Rebuild it with: npm run build:native`,
    );
  }
  return new Map(
    native.map(({ name }, index) => {
      const definition = table[name as OpName];
      const { inputs, outputs, attributes } = definition;
      return [
        name,
        { index, definition, inputs: names(inputs), outputs: names(outputs), attributes: names(attributes) },
      ];
    }),
  );
}

/** What differs between a native op table and this one, as sentences; empty if they agree. */
export function compareTables(native: readonly { name: string; signature: string }[]): string[] {
  const differences: string[] = [];
  const nativeNames = new Set(native.map(({ name }) => name));
  for (const { name, signature } of native) {
    const definition = Object.hasOwn(table, name) ? table[name as OpName] : undefined;
    if (!definition) differences.push(`op '${name}' is unknown here`);
    else if (signatureOf(definition) !== signature) {
      differences.push(`op '${name}' is '${signatureOf(definition)}' here and '${signature}' there`);
    }
  }
  for (const name of Object.keys(table)) {
    if (!nativeNames.has(name)) differences.push(`op '${name}' is missing there`);
  }
  return differences;
}

function deviceOf(call: Call, label: string): Device {
  const devices = new Set(
    Object.values(call.inputs ?? {}).flatMap((tensor) => (tensor ? [tensor.device] : [])),
  );
  if (call.device) devices.add(call.device);
  const [device, other] = devices;
  if (!device) throw new DeviceError(`${label}: no tensor and no device was given.`);
  if (other) {
    throw new DeviceError(
      `${label}: tensors of different devices (${device.kind} and ${other.kind}) were mixed. ` +
        'Copy one over: device.tensor(await x.data(), { shape: x.shape }).',
    );
  }
  return device;
}

/** @returns the outputs in the table's order, null for those left out; the caller owns them */
export function run(name: OpName, call: Call): (Tensor | null)[] {
  compiled ??= compile();
  const { index, definition, inputs, outputs, attributes } = compiled.get(name) as CompiledOp;
  const label = call.label ?? name;
  const given = call.inputs ?? {};
  const device = deviceOf(call, label);
  const present = Object.fromEntries(
    Object.entries(given).flatMap(([key, tensor]) => (tensor ? [[key, tensor] as const] : [])),
  );
  const values = call.attributes ?? {};
  const specs = definition.rule({ label, inputs: present, attributes: values, result: call.result });
  return device.dispatch(
    index,
    inputs.map((input) => present[input.replace('?', '')] ?? null),
    outputs.map((output, i) => (call.without?.includes(output.replace('?', '')) ? null : (specs[i] ?? null))),
    attributes.map((attribute) => values[attribute] as number),
    label,
  );
}

/** For ops with one output: that output. */
export function run1(name: OpName, call: Call): Tensor {
  return run(name, call)[0] as Tensor;
}
