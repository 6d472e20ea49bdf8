// `npm run soak:resume [KILLS] [SEED]`: kills trainings at random moments, and compares what becomes of them.
// Invariant: exits with 0 only if no run was lost and no bit of any weight differs.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canTrain, trainKilled, type KilledSetup } from '../train/killing.js';

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

async function soak(setup: KilledSetup, wanted: number, seed: number): Promise<Tally> {
  const whole = await inFolder((folder) => trainKilled(folder, { ...setup, mostKills: 0, seed }));
  const tally: Tally = { kills: 0, runs: 0, lost: 0, different: 0 };
  while (tally.kills < wanted) {
    const mostKills = Math.min(MOST_KILLS_A_RUN, wanted - tally.kills);
    tally.runs++;
    try {
      const ended = await inFolder((folder) =>
        trainKilled(folder, { ...setup, mostKills, seed: seed + tally.runs }),
      );
      tally.kills += ended.kills;
      if (ended.result !== whole.result) tally.different++;
    } catch (error) {
      tally.kills += mostKills;
      tally.lost++;
      console.error((error as Error).message);
    }
    console.log(JSON.stringify({ ...setup, ...tally }));
  }
  return tally;
}

/** What this machine has a device for; float16 is the simulated GPU's, whose threads are not ours. */
const setups = [
  ...[1, 2].flatMap((threads) =>
    (['float32', 'bfloat16'] as const).map((precision) => ({ threads, precision })),
  ),
  { threads: 2, precision: 'float16' } as const,
].filter(({ precision }) => canTrain(precision));
const tallies: Tally[] = [];
for (const [i, setup] of setups.entries()) {
  tallies.push(await soak(setup, Math.ceil(Number(kills) / setups.length), (Number(seed) + i) * 1000));
}
const failed = tallies.some(({ lost, different }) => lost > 0 || different > 0);
console.log(failed ? 'FAILED' : 'no run was lost, no bit differs');
process.exitCode = failed ? 1 : 0;
