// `npm run soak:resume [KILLS] [SEED]`: kills trainings at random moments, and compares what becomes of them.
// Invariant: exits with 0 only if no run was lost and no bit of any weight differs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trainKilled } from '../train/killing.js';

const [kills = '50', seed = '1'] = process.argv.slice(2);
/** In one run; then the next one begins. */
const MOST_KILLS_A_RUN = 10;

interface Tally {
  kills: number;
  runs: number;
  lost: number;
  different: number;
}

async function inFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-soak-'));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function soak(threads: number, wanted: number, seed: number): Promise<Tally> {
  const whole = await inFolder((folder) => trainKilled(folder, { threads, mostKills: 0, seed }));
  const tally: Tally = { kills: 0, runs: 0, lost: 0, different: 0 };
  while (tally.kills < wanted) {
    const mostKills = Math.min(MOST_KILLS_A_RUN, wanted - tally.kills);
    tally.runs++;
    try {
      const ended = await inFolder((folder) =>
        trainKilled(folder, { threads, mostKills, seed: seed + tally.runs }),
      );
      tally.kills += ended.kills;
      if (ended.result !== whole.result) tally.different++;
    } catch (error) {
      tally.kills += mostKills;
      tally.lost++;
      console.error((error as Error).message);
    }
    console.log(JSON.stringify({ threads, ...tally }));
  }
  return tally;
}

const tallies: Tally[] = [];
for (const threads of [1, 2]) {
  tallies.push(await soak(threads, Math.ceil(Number(kills) / 2), Number(seed) * 1000));
}
const failed = tallies.some(({ lost, different }) => lost > 0 || different > 0);
console.log(failed ? 'FAILED' : 'no run was lost, no bit differs');
process.exitCode = failed ? 1 : 0;
