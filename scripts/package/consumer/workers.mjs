// The package in two worker threads at once, and in the main thread beside them.
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import * as alexnet from 'alexnet';
import trainAndPredict from './train-and-predict.cjs';

const program = new URL('./esm.mjs', import.meta.url);
const workers = [new Worker(program), new Worker(program)];
const ends = workers.map((worker) => once(worker, 'exit'));
await trainAndPredict(alexnet);
for (const [code] of await Promise.all(ends)) if (code !== 0) process.exitCode = 1;
