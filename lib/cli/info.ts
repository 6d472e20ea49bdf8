// `alexnet info`: what one pastes into a bug report.
// Invariant: it works where nothing else does; what is wrong becomes part of the report.

import { availableParallelism, cpus, freemem, release, totalmem } from 'node:os';
import {
  addonPath,
  decoderInfo,
  formatBytes,
  systemLibc,
  openDevice,
  type DecoderInfo,
  type DeviceKind,
} from '../index.js';
import { flag, type Values } from './args.js';
import { command, type ExitCode } from './command.js';
import { cpuFeatures } from './cpu-features.js';
import { print, printJson } from './output.js';
import { packageVersion } from './version.js';

const options = { json: flag('one JSON object') };

export const info = command({
  name: 'info',
  summary: 'Versions, processor and devices, for bug reports.',
  positionals: {},
  options,
  details: ['The exit code is 1 if the cpu device cannot be opened; the report says why.'],
  examples: ['alexnet info'],
  run: runInfo,
});

/** A device's properties, or why there is none. */
type DeviceReport =
  | { readonly available: true; readonly properties: Readonly<Record<string, string>> }
  | { readonly available: false; readonly reason: string };

/** Variables that change what the native libraries or Node do. */
const VARIABLES = /^(ALEXNET_|OMP_|GOMP_|DNNL_|ONEDNN_|CUDA_VISIBLE_DEVICES$|NODE_OPTIONS$)/;

async function collect() {
  // Before the addon is loaded, which adds to it: what the user has set.
  const environment = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => VARIABLES.test(name)),
  );
  return {
    alexnet: packageVersion(),
    node: process.versions.node,
    system: { platform: process.platform, arch: process.arch, release: release(), libc: systemLibc() },
    cpu: {
      model: cpus()[0]?.model.trim() ?? 'unknown',
      processors: cpus().length,
      usable: availableParallelism(),
      features: await cpuFeatures(),
    },
    memory: { totalBytes: totalmem(), freeBytes: freemem() },
    addon: tryTo(addonPath).value ?? null,
    devices: { cpu: reportDevice('cpu'), cuda: reportDevice('cuda') },
    decoders: await decoderInfo(),
    environment,
  };
}

type Report = Awaited<ReturnType<typeof collect>>;

async function runInfo({ json }: Values<Record<string, never>, typeof options>): Promise<ExitCode> {
  const report = await collect();
  if (json) printJson(report);
  else printText(report);
  return report.devices.cpu.available ? 0 : 1;
}

function printText(report: Report): void {
  const { alexnet, node, system, cpu, memory, addon, devices, decoders, environment } = report;
  const libc = system.libc === undefined ? '' : `, ${system.libc}`;
  const rows = {
    alexnet,
    node,
    system: `${system.platform}-${system.arch} ${system.release}${libc}`,
    cpu: `${cpu.model}, ${cpu.processors} processors, ${cpu.usable} usable`,
    'cpu features': cpu.features?.join(' ') ?? 'unknown on this system',
    memory: `${formatBytes(memory.totalBytes)}, ${formatBytes(memory.freeBytes)} free`,
    addon: addon ?? 'not found',
    'device cpu': deviceText(devices.cpu),
    'device cuda': deviceText(devices.cuda),
    decoder: decoderText(decoders),
    ...(isSlow(report) && { note: 'this processor has no AVX2: all works, but many times slower' }),
    ...environment,
  };
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  for (const [name, value] of Object.entries(rows)) {
    print(`${name.padEnd(width)}  ${value.replaceAll('\n', `\n${' '.repeat(width + 2)}`)}`);
  }
}

/** On x64, what is fast is written for AVX2 and later. */
function isSlow({ system, cpu }: Report): boolean {
  return system.arch === 'x64' && cpu.features?.includes('avx2') === false;
}

/** The decoder in use, then the others: what there is, or why not. */
function decoderText({ fastest, ...decoders }: DecoderInfo): string {
  const names = (['sharp', 'wasm', 'jimp'] as const).toSorted(
    (a, b) => Number(b === fastest) - Number(a === fastest),
  );
  return names
    .map((name) => {
      const status = decoders[name];
      return status.available ? `${name} ${status.version}` : `no ${name}: ${status.reason}`;
    })
    .join('; ');
}

function deviceText(device: DeviceReport): string {
  if (!device.available) return `not available: ${device.reason}`;
  return Object.entries(device.properties)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');
}

function reportDevice(kind: DeviceKind): DeviceReport {
  const { value: properties, reason } = tryTo(() => {
    using device = openDevice(kind);
    return device.info.properties;
  });
  return properties ? { available: true, properties } : { available: false, reason: reason ?? 'unknown' };
}

function tryTo<T>(work: () => T): { value: T; reason?: undefined } | { value?: undefined; reason: string } {
  try {
    return { value: work() };
  } catch (error) {
    return { reason: error instanceof Error ? error.message : String(error) };
  }
}
