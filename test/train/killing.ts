// Kills a training at random moments until it is done, and says what came out of it.
// Invariant: the moments are a function of a seed; what is killed gets SIGKILL and cannot prepare for it.
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { randomWords, uniformBelow } from '../../lib/random.js';
import { openDevice, type Device } from '../../lib/tensor/device.js';
import type { Precision } from '../../lib/tensor/dtype.js';
import { isSimulatorBuilt, useSimulator } from '../helpers/simulator.js';

const CHILD = fileURLToPath(new URL('./killed-child.js', import.meta.url));

export interface KilledSetup {
  readonly threads: number;
  /** float16 is the simulated GPU's, and goes with a loss scale. */
  readonly precision: Precision;
}

/** The device that a precision is tried on. */
export function openFor(precision: Precision, { threads }: Pick<KilledSetup, 'threads'>): Device {
  if (precision !== 'float16') return openDevice('cpu', { threads });
  useSimulator();
  return openDevice('cuda');
}

/** Whether this machine has a device for it. */
export function canTrain(precision: Precision): boolean {
  if (precision === 'float16') return isSimulatorBuilt();
  using device = openFor(precision, { threads: 1 });
  return device.support(precision) === 'fast';
}

/** How one process ended. */
interface Life {
  readonly killed: boolean;
  /** Steps and SHA-256 of the weights, if it came to its end. */
  readonly result: string | undefined;
  readonly stderr: string;
}

/** @param options.killAfterMs  from its first step on; undefined: never */
function live(
  folder: string,
  { threads, precision, killAfterMs }: KilledSetup & { readonly killAfterMs: number | undefined },
): Promise<Life> {
  const child = spawn(process.execPath, [CHILD, folder, String(threads), precision], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [stdout, stderr] = ['', ''];
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    if (text.includes('training') && killAfterMs !== undefined) {
      setTimeout(() => child.kill('SIGKILL'), killAfterMs);
    }
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (_, signal) => {
      const result = /^done (.*)$/m.exec(stdout)?.[1];
      resolve({ killed: signal === 'SIGKILL', result, stderr });
    });
  });
}

export interface KilledTraining {
  readonly kills: number;
  /** As of a training that nobody killed. */
  readonly result: string;
}

/**
 * Trains in a folder, with at most so many kills.
 * @throws Error if a life ends in another way than by its kill or with a result: the run is lost
 */
export async function trainKilled(
  folder: string,
  { mostKills, seed, ...setup }: KilledSetup & { readonly mostKills: number; readonly seed: number },
): Promise<KilledTraining> {
  for (let kills = 0; ;) {
    const [word] = randomWords({ seed, index: kills, stream: 77 });
    const killAfterMs = kills < mostKills ? uniformBelow(400, [word]) : undefined;
    const { killed, result, stderr } = await live(folder, { ...setup, killAfterMs });
    if (result !== undefined) return { kills, result };
    if (!killed) throw new Error(`the run in ${folder} is lost after ${kills} kills: ${stderr}`);
    kills++;
  }
}
