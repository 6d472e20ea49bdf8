// Runs the command line as its users do, in a process of its own, on small made-up pictures.
// Invariant: no terminal is attached, and nothing of the test's environment changes what is written.

import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { png } from '../data/pictures.js';
import { tempFolder } from '../data/temp-folder.js';

const MAIN = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Told of all that was written so far, whenever something is. */
  readonly onOutput?: (written: Omit<Outcome, 'code'>, child: ChildProcess) => void;
}

/** `alexnet ARGUMENTS`, to its end. */
export function alexnet(args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return runNode([MAIN, ...args], options);
}

export function runNode(args: readonly string[], { cwd, env, onOutput }: RunOptions = {}): Promise<Outcome> {
  const child = spawn(process.execPath, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    ...(cwd !== undefined && { cwd }),
    env: { PATH: process.env['PATH'], XDG_CACHE_HOME: tempFolder(), ...env },
  });
  const written = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      written[name] += text;
      onOutput?.(written, child);
    });
  }
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...written }));
  });
}

/** JSON lines of a training. */
export function eventsOf(stdout: string): Record<string, unknown>[] {
  const lines = stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

const COLOURS = { blue: [40, 60, 200], green: [50, 190, 60], red: [210, 60, 30] } as const;

/** Three classes of almost plain pictures, by their paths in a folder. */
export function colourPictures(perClass: number): Record<string, Buffer> {
  const pictures: Record<string, Buffer> = {};
  for (const [name, [red, green, blue]] of Object.entries(COLOURS)) {
    for (let i = 0; i < perClass; i++) {
      const paint = (x: number, y: number) => {
        const shade = ((x * 3 + y * 5 + i * 7) % 40) - 20;
        return [red + shade, green + shade, blue + shade] as const;
      };
      pictures[`${name}/${i}.png`] = png({ width: 40 + i, height: 36, paint });
    }
  }
  return pictures;
}

/** Options of the smallest network and the shortest training. */
export const SMALL = [
  '--input-size',
  '67',
  '--batch-size',
  '6',
  '--initialization',
  'lecun',
  '--threads',
  '2',
];
