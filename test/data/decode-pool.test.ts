// The decoding threads: results, the event loop, crashes, abortion, shutdown.
// Invariant: pools are closed by the test that opens them; nothing depends on how fast the machine is.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { DecodePool, type DecodePoolOptions } from '../../lib/data/decode-pool.js';
import { decodeFile } from '../../lib/data/decode.js';
import { resizeToSquare } from '../../lib/data/resize.js';
import type { RgbImage } from '../../lib/data/types.js';
import { AbortedError, ArgumentError, DataError, DecodeError, DisposedError } from '../../lib/errors.js';
import { gif, gradient, jpeg, png, tiff } from './pictures.js';
import { tempFiles } from './temp-folder.js';

async function withPool<T>(pool: DecodePool, use: (pool: DecodePool) => Promise<T>): Promise<T> {
  try {
    return await use(pool);
  } finally {
    await pool.close();
  }
}

/** A pool whose threads run the given program instead of the decoder. */
class ScriptedPool extends DecodePool {
  readonly started: Worker[] = [];
  readonly #program: string;

  constructor(program: string, options: DecodePoolOptions) {
    super({ side: 1, ...options });
    this.#program = `const { parentPort } = require('node:worker_threads'); ${program}`;
  }

  protected override startWorker(): Worker {
    const worker = new Worker(this.#program, { eval: true });
    this.started.push(worker);
    return worker;
  }
}

/** Answers with a black pixel, but ends itself at 'exit', throws at 'throw', and takes 200 ms over 'slow'. */
const MORTAL = `
  parentPort.on('message', ({ path }) => {
    if (path === 'exit') process.exit(3);
    if (path === 'throw') throw new Error('out of luck');
    if (path === 'slow') Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 200);
    parentPort.postMessage({ picture: { width: 1, height: 1, data: new Uint8Array(3) } });
  });
  parentPort.postMessage('ready');`;

/** A GIF whose data names a code before it exists, then codes that refer to themselves: jimp's codec never ends. */
function endlessGif(): Buffer {
  const file = gif({ width: 4, height: 4, paint: () => [0, 0, 0] });
  const data = file.length - 2 - (16 + 2); // one block: clear, 16 codes, end
  file.fill(130, data + 1, data + 17);
  return file;
}

const summary = (results: readonly (RgbImage | DecodeError)[]): string[] =>
  results.map((result) => (result instanceof DecodeError ? result.message : 'square'));

describe('DecodePool', () => {
  it('gives what decoding and resizing give, in the order asked for, errors in their places', async () => {
    const files: Record<string, Buffer> = { 'text.png': Buffer.from('no picture') };
    for (let i = 0; i < 12; i++) files[`${i}.png`] = png(gradient(20 + i, 41 - i));
    const folder = tempFiles(files);
    const names = [...Array(12).keys()].map((i) => `${i}.png`).toSpliced(5, 0, 'text.png');
    const paths = names.map((name) => join(folder, name));
    await withPool(new DecodePool({ workers: 3, side: 16 }), async (pool) => {
      const results = await pool.decode(paths);
      for (const [i, path] of paths.entries()) {
        const result = results[i]!;
        if (names[i] === 'text.png') {
          assert.ok(result instanceof DecodeError);
          assert.equal(result.path, path);
          assert.match(result.message, /text\.png: it is not a picture/);
        } else {
          const data = resizeToSquare(await decodeFile(path), 16);
          assert.deepEqual(result, { width: 16, height: 16, data });
        }
      }
    });
  });

  it('leaves the event loop free while 50 photographs are decoded', async () => {
    const photo = await jpeg(gradient(400, 300));
    const folder = tempFiles(Object.fromEntries(Array.from({ length: 50 }, (_, i) => [`${i}.jpg`, photo])));
    const paths = Array.from({ length: 50 }, (_, i) => join(folder, `${i}.jpg`));
    await withPool(new DecodePool({ workers: 2 }), async (pool) => {
      await pool.decode(paths.slice(0, 2)); // threads have started
      let ticks = 0;
      const timer = setInterval(() => ticks++, 5);
      const before = performance.eventLoopUtilization();
      const results = await pool.decode(paths);
      const { utilization } = performance.eventLoopUtilization(before);
      clearInterval(timer);
      assert.ok(results.every((result) => !(result instanceof DecodeError)));
      // Decoding on this thread would keep the loop busy all the time, and timers from running.
      assert.ok(utilization < 0.5, `the event loop was busy ${(utilization * 100).toFixed()} % of the time`);
      assert.ok(ticks >= 10, `timers ran ${ticks} times`);
    });
  });

  it('starts no more threads than there is work for, nor than it may', async () => {
    const pool = new ScriptedPool(MORTAL, { workers: 3 });
    await withPool(pool, async () => {
      await pool.decode(['a']);
      assert.equal(pool.started.length, 1);
      await pool.decode(['a']);
      assert.equal(pool.started.length, 1);
      await pool.decode(new Array<string>(20).fill('a'));
      assert.equal(pool.started.length, 3);
    });
  });

  it('takes calls that overlap', async () => {
    await withPool(new ScriptedPool(MORTAL, { workers: 2 }), async (pool) => {
      const results = await Promise.all([pool.decode(['a', 'b', 'c']), pool.decode([]), pool.decode(['d'])]);
      assert.deepEqual(
        results.map((result) => result.length),
        [3, 0, 1],
      );
    });
  });

  it('loses only the picture at which a thread crashes, and replaces the thread', async () => {
    for (const workers of [1, 2]) {
      const pool = new ScriptedPool(MORTAL, { workers });
      await withPool(pool, async () => {
        const results = await pool.decode(['a', 'exit', 'b', 'throw', 'c', 'd', 'e']);
        assert.deepEqual(summary(results), [
          'square',
          'exit: the decoder was lost on it (exit code 3); the file is damaged or too large',
          'square',
          'throw: the decoder was lost on it (out of luck); the file is damaged or too large',
          'square',
          'square',
          'square',
        ]);
        assert.deepEqual(summary(await pool.decode(['f', 'g', 'h', 'i'])), new Array(4).fill('square'));
        assert.equal(pool.started.length, workers + 2);
      });
    }
  });

  it('gives up a picture that takes too long, and goes on with the others', async () => {
    const folder = tempFiles({ 'endless.gif': endlessGif(), 'a.png': png(gradient(9, 9)) });
    const paths = ['a.png', 'endless.gif', 'a.png', 'a.png'].map((name) => join(folder, name));
    await withPool(new DecodePool({ workers: 1, side: 4, timeoutMs: 1500 }), async (pool) => {
      const [first, endless, ...others] = summary(await pool.decode(paths));
      assert.deepEqual([first, ...others], ['square', 'square', 'square']);
      assert.match(endless!, /endless\.gif: the decoder was lost on it \(no result after 1500 ms\)/);
    });
  });

  it('says that threads do not start, once, instead of failing picture by picture', async () => {
    await withPool(new ScriptedPool('throw new Error("no such module")', { workers: 2 }), async (pool) => {
      await assert.rejects(pool.decode(['a', 'b', 'c']), (error) => {
        assert.ok(error instanceof DataError);
        assert.match(error.message, /threads do not start: no such module/);
        return true;
      });
    });
  });

  it('rejects at once when the signal is aborted, and goes on with other work', async () => {
    await withPool(new ScriptedPool(MORTAL, { workers: 2 }), async (pool) => {
      const controller = new AbortController();
      const aborted = pool.decode(['a', 'slow', 'b', 'c'], { signal: controller.signal });
      const other = pool.decode(['d', 'e']);
      setImmediate(() => controller.abort(new Error('enough')));
      await assert.rejects(aborted, (error) => {
        assert.ok(error instanceof AbortedError);
        assert.equal((error.cause as Error).message, 'enough');
        return true;
      });
      assert.deepEqual(summary(await other), ['square', 'square']);
      await assert.rejects(pool.decode(['f'], { signal: controller.signal }), AbortedError);
    });
  });

  it('ends its threads and rejects what is open when closed; twice is once', async () => {
    const pool = new ScriptedPool(MORTAL, { workers: 2 });
    const open = assert.rejects(pool.decode(['a', 'slow', 'slow', 'slow', 'b']), AbortedError);
    const exits = pool.started.map((worker) => once(worker, 'exit'));
    await Promise.all([pool.close(), pool.close()]);
    await Promise.all([open, ...exits]);
    await assert.rejects(pool.decode(['a']), DisposedError);
  });

  it('keeps the process alive while it works, and not while it waits; codecs print nothing', async () => {
    const tiled = tiff(gradient(9, 9), { 322: 16, 323: 16, 324: 8, 325: 9 * 9 * 3 }); // jimp's codec prints at tiles
    const folder = tempFiles({ 'a.png': png(gradient(9, 9)), 'b.tiff': tiled });
    const module = new URL('../../lib/data/decode-pool.js', import.meta.url).href;
    const program = `
      import { DecodePool } from ${JSON.stringify(module)};
      new DecodePool({ workers: 2, side: 4 }).decode(${JSON.stringify(['a.png', 'b.tiff'].map((name) => join(folder, name)))})
        .then(([square]) => console.log('decoded', square.data.length));`;
    const { stdout, stderr } = await promisify(execFile)(
      process.execPath,
      ['--input-type=module', '-e', program],
      {
        timeout: 30_000, // the process is killed, and this fails, if it does not end by itself
      },
    );
    assert.deepEqual([stdout, stderr], ['decoded 48\n', '']);
  });

  it('refuses options out of range', () => {
    assert.throws(() => new DecodePool({ workers: 0 }), /workers is 0/);
    assert.throws(() => new DecodePool({ side: 2.5 }), ArgumentError);
    assert.throws(() => new DecodePool({ maxPixels: NaN }), ArgumentError);
  });
});
