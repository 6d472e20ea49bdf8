// The same AlexNet in this package and its peers, one after the other, in turns: `npm run bench:compare`.
// Invariant: every measurement is a process of its own and alone; a round has each of them once, so that a drift of the
// machine's speed meets all alike; ratios are taken within a round.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { openDevice } from '../../lib/index.js';
import { comparedModel, measureCeilings, trainingFloors } from './floors.js';
import type { Answer, Job, Reply } from './job.js';
import { commandOf, CONFIGURATIONS, type Configuration } from './peers.js';
import { REFERENCE_PICTURES, writeReference } from './reference.js';
import { summarise, writeReport, type Check, type Comparison, type Measured } from './report.js';
import { defaultPeersFolder, folderBytes, install, type Installed, type PeerName } from './setup.js';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    repetitions: { type: 'string', default: '5' },
    measures: { type: 'string', default: 'train:128,train:16,train:1,infer:128,infer:16,infer:1' },
    only: { type: 'string', default: '' },
    peers: { type: 'string', default: defaultPeersFolder() },
    out: { type: 'string', default: 'bench/results' },
    threads: { type: 'string', default: String(os.availableParallelism()) },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `npm run bench:compare -- [options]
  --rounds N          times that everything is measured (default 3)
  --repetitions N     timed calls of a measurement (default 5; batch 1: ten times as many)
  --measures LIST     default ${'train:128,train:16,train:1,infer:128,infer:16,infer:1'}
  --only TEXT,TEXT    configurations whose names have one of the texts (this package is always measured)
  --peers FOLDER      where the peers are installed (default ${defaultPeersFolder()})
  --out FOLDER        where the results are written (default bench/results)
  --threads N         default: all of the machine
An hour on two cores, most of it PyTorch's compiler; stop everything else that runs.`;

const threads = Number(values.threads);
const log = (line: string) => process.stderr.write(`${line}\n`);

interface Measure {
  readonly task: 'train' | 'infer';
  readonly batchSize: number;
}

async function main(): Promise<void> {
  const chosen = CONFIGURATIONS.filter(
    ({ name, peer }) =>
      peer === undefined ||
      values.only.split(',').some((text) => name.toLowerCase().includes(text.toLowerCase())),
  );
  const installed = await installAll(chosen);
  const folder = await mkdtemp(path.join(os.tmpdir(), 'alexnet-compare-'));
  try {
    const losses = await writeReference(folder);
    const checks = await checkAll(chosen, { installed, reference: folder, losses });
    const able = chosen.filter(({ name }) => checks.find((check) => check.name === name)?.loss !== undefined);
    const measured: Measured[] = [];
    for (let round = 1; round <= Number(values.rounds); round++) {
      for (const measure of parseMeasures()) {
        for (const configuration of able) {
          measured.push(...(await measureOne(configuration, { round, measure, installed })));
        }
      }
    }
    const comparison = await describe(measured, { checks, installed });
    await mkdir(values.out, { recursive: true });
    log(await writeReport(comparison, values.out));
    console.log(summarise(comparison));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function parseMeasures(): Measure[] {
  return values.measures.split(',').map((text) => {
    const [task, batch] = text.split(':');
    if ((task !== 'train' && task !== 'infer') || !(Number(batch) >= 1)) {
      throw new Error(`--measures: ${text} is not train:N or infer:N`);
    }
    return { task, batchSize: Number(batch) };
  });
}

type Installation = ReadonlyMap<PeerName, Installed>;

async function installAll(chosen: readonly Configuration[]): Promise<Installation> {
  const installed = new Map<PeerName, Installed>();
  for (const { peer } of chosen) {
    if (peer === undefined || installed.has(peer)) continue;
    const result = await install(peer, { folder: values.peers, log });
    if ('cannot' in result) log(`${peer}: ${result.cannot}`);
    installed.set(peer, result);
  }
  return installed;
}

/** Every peer computes the loss of the same weights and pictures; one that computes another is not measured. */
async function checkAll(
  chosen: readonly Configuration[],
  of: { readonly installed: Installation; readonly reference: string; readonly losses: readonly number[] },
): Promise<Check[]> {
  const { installed, reference, losses } = of;
  const checks: Check[] = [];
  for (const configuration of chosen) {
    const batchSize = Math.min(REFERENCE_PICTURES, configuration.largestBatch ?? Infinity);
    const job = { task: 'check', batchSize, repetitions: 1, warmUp: 0, reference } as const;
    const reply = await ask(configuration, installed, job);
    const expected = losses.slice(0, batchSize).reduce((sum, loss) => sum + loss, 0) / batchSize;
    const check = judge(configuration, { reply, expected, pictures: batchSize });
    log(
      `${check.name}: ${check.cannot ?? `loss ${check.loss?.toFixed(6)}, expected ${expected.toFixed(6)}`}`,
    );
    checks.push(check);
  }
  return checks;
}

/** Relative difference of losses: float32 sums in another order; bfloat16 has three digits, int8 two. */
const TOLERANCE = { float32: 1e-5, bfloat16: 2e-2, int8: 5e-2 };

function judge(
  { name, options }: Configuration,
  of: { readonly reply: Reply; readonly expected: number; readonly pictures: number },
): Check {
  const { reply, ...known } = of;
  if ('cannot' in reply) return { name, ...known, cannot: reply.cannot };
  const { loss = NaN, versions } = reply;
  const { bf16, precision = bf16 ? 'bfloat16' : 'float32' } = options;
  const tolerance = TOLERANCE[precision as keyof typeof TOLERANCE];
  if (!(Math.abs(loss - known.expected) <= tolerance * known.expected)) {
    return { name, ...known, versions, cannot: `computes another loss: ${loss}` };
  }
  return { name, ...known, versions, loss };
}

async function measureOne(
  configuration: Configuration,
  { round, measure, installed }: { round: number; measure: Measure; installed: Installation },
): Promise<Measured[]> {
  const { name, largestBatch = Infinity, predictsOnly } = configuration;
  const { task, batchSize } = measure;
  if (batchSize > largestBatch || (predictsOnly && task === 'train')) return [];
  const factor = batchSize === 1 && task === 'infer' ? 10 : 1;
  const startedAt = Date.now();
  const reply = await ask(configuration, installed, {
    ...measure,
    repetitions: factor * Number(values.repetitions),
    warmUp: 2,
  });
  const key = { name, round, task, batchSize };
  if ('cannot' in reply) {
    log(`${name}, ${task} ${batchSize}: ${reply.cannot}`);
    return [{ ...key, cannot: reply.cannot }];
  }
  const { firstEndedAt, timesMs, peakResidentMiB, longestDelayMs, layersMs } = reply;
  const fastest = Math.min(...timesMs).toFixed(1);
  log(`round ${round}, ${task} ${batchSize}, ${name}: ${timesMs.length} calls, the fastest ${fastest} ms`);
  const toFirstMs = firstEndedAt - startedAt;
  const own = { ...(longestDelayMs !== undefined && { longestDelayMs }), ...(layersMs && { layersMs }) };
  return [{ ...key, timesMs, peakResidentMiB, toFirstMs, ...own }];
}

async function ask(
  configuration: Configuration,
  installed: Installation,
  job: Omit<Job, 'threads' | 'options' | 'budgetMs'>,
): Promise<Reply> {
  const { peer } = configuration;
  const place = peer === undefined ? undefined : installed.get(peer);
  if (place && 'cannot' in place) return place;
  const root = place?.root;
  const options = { ...configuration.options, ...(root !== undefined && { root }) };
  const text = JSON.stringify({ ...job, threads, budgetMs: 60_000, options } satisfies Job);
  const [program, script] = commandOf(configuration, root);
  try {
    const { stdout } = await promisify(execFile)(program, [script, text], { maxBuffer: 2 ** 26 });
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Answer;
  } catch (error) {
    const { stderr = '', message } = error as Error & { stderr?: string };
    return { cannot: stderr.trim().split('\n').at(-1) || message };
  }
}

async function describe(
  measured: readonly Measured[],
  { checks, installed }: { checks: readonly Check[]; installed: Installation },
): Promise<Comparison> {
  const ceilings = measureCeilings(threads);
  const model = comparedModel();
  const floors = (precision: 'float32' | 'bfloat16') =>
    trainingFloors(model, { ceilings, batchSize: 128, precision });
  using device = openDevice('cpu', { threads });
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: {
      cpu: os.cpus()[0]?.model ?? '?',
      instructionSet: device.info.properties['instructionSet'] ?? '?',
      threads,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      system: `${os.type()} ${os.release()}`,
      node: process.versions.node,
    },
    ceilings,
    floors: {
      float32: floors('float32'),
      ...(ceilings.bfloat16GFlops > 0 && { bfloat16: floors('bfloat16') }),
    },
    checks,
    sizesMiB: await sizes(installed),
    measured,
  };
}

/** What lies on the disk after an installation, dependencies included. */
async function sizes(installed: Installation): Promise<Record<string, number>> {
  const entries: [string, number][] = [];
  for (const [peer, place] of installed) {
    if (!('cannot' in place)) entries.push([peer, Math.round(place.bytes / 2 ** 20)]);
  }
  const root = fileURLToPath(new URL('../../../', import.meta.url));
  const list = ['ls', '--omit=dev', '--all', '--parseable'];
  const { stdout } = await promisify(execFile)('npm', list, { cwd: root });
  const [, ...dependencies] = stdout.trim().split('\n');
  const own = ['dist/lib', 'build/Release'].map((part) => path.join(root, part));
  let bytes = 0;
  for (const folder of [...own, ...dependencies]) bytes += await folderBytes(folder);
  return Object.fromEntries([['alexnet', Math.round(bytes / 2 ** 20)], ...entries]);
}

if (values.help) console.log(HELP);
else await main();
