// How a process lives with devices: it stays while something is awaited, ends when nothing is, and never crashes.
// Invariant: every script runs in a process of its own and must end by itself, without a signal.
import assert from 'node:assert/strict';
import { runScript, type Ended } from '../helpers/run-script.js';

function assertEnded(ended: Ended, stdout: string, code = 0): void {
  assert.deepEqual(ended, { code, signal: null, stdout, stderr: '' });
}

describe('a process', () => {
  it('stays until what it awaits is done', async () => {
    const ended = await runScript(`
      const y = heavy(openDevice('cpu'), 10);
      y.data().then((values) => console.log('done', values.length));
    `);
    assertEnded(ended, `done ${8 * 64 * 56 * 56}\n`);
  });

  it('ends by itself with an idle device open', async () => {
    assertEnded(await runScript(`openDevice('cpu').tensor([1, 2, 3], { shape: [3] });`), '');
  });

  it('ends by itself when all it awaited has come', async () => {
    const ended = await runScript(`
      const device = openDevice('cpu');
      console.log((await device.tensor([1, 2, 3], { shape: [3] }).data()).join());
    `);
    assertEnded(ended, '1,2,3\n');
  });

  it('ends with work submitted that nobody awaits', async () => {
    const ended = await runScript(`
      for (let i = 0; i < 3; i++) heavy(openDevice('cpu'), 10);
      console.log('submitted');
    `);
    assertEnded(ended, 'submitted\n');
  });

  it('ends with the code it gave, in the middle of work that is awaited', async () => {
    const ended = await runScript(`
      heavy(openDevice('cpu'), 200).data().then(() => console.log('never'));
      setTimeout(() => process.exit(7), 50);
    `);
    assertEnded(ended, '', 7);
  });

  it('ends with an error that nobody catches, in the middle of work', async () => {
    const { code, signal, stderr } = await runScript(`
      heavy(openDevice('cpu'), 200).data().then(() => console.log('never'));
      setTimeout(() => { throw new Error('on purpose'); }, 50);
    `);
    assert.deepEqual({ code, signal }, { code: 1, signal: null });
    assert.match(stderr, /Error: on purpose/);
  });

  it('ends when its device is disposed while work is awaited, and gets the results', async () => {
    const ended = await runScript(`
      const device = openDevice('cpu');
      const pending = heavy(device, 5).data();
      device.dispose();
      console.log((await pending).length > 0);
    `);
    assertEnded(ended, 'true\n');
  });

  it('opens and disposes many devices, one after another', async () => {
    const ended = await runScript(
      `
      for (let i = 0; i < 200; i++) {
        using device = openDevice('cpu');
        await ops.fill(device, { shape: [10], value: i }).data();
      }
      const { threads } = process.report.getReport().header.cpus ? { threads: 0 } : {};
      console.log('done');
    `
        .replace(/const \{ threads \}.*\n/, '')
        .replace('using device =', 'const device =')
        .replace('}).data();', '}).data(); device.dispose();'),
    );
    assertEnded(ended, 'done\n');
  });
});

describe('tensors that nobody disposes', () => {
  const leak = `
    const sleep = () => new Promise((resolve) => setTimeout(resolve, 20));
    function leak(device) { for (let i = 0; i < 100; i++) device.tensor([1, 2, 3], { shape: [3] }); }
    async function collected(device) {
      for (let i = 0; i < 100 && device.memory().tensors > 0; i++) { gc(); await sleep(); }
      return device.memory().tensors;
    }
  `;

  it('are released when they are garbage-collected', async () => {
    const ended = await runScript(
      `${leak}
      const device = openDevice('cpu');
      leak(device);
      console.log(device.memory().tensors, await collected(device));
      await device.synchronize();
      console.log(device.memory().inUseBytes);`,
      { nodeOptions: ['--expose-gc'] },
    );
    assertEnded(ended, '100 0\n0\n');
  });

  it('are reported with the place where they were made, on a device opened for debugging', async () => {
    const ended = await runScript(
      `${leak}
      const warnings = [];
      process.removeAllListeners('warning');
      process.on('warning', (warning) => warnings.push(warning));
      const device = openDevice('cpu', { debug: true });
      leak(device);
      await collected(device);
      await sleep();
      console.log(warnings.length, warnings[0].name, /never disposed[^]*at leak \\(/.test(warnings[0].message));`,
      { nodeOptions: ['--expose-gc'] },
    );
    assertEnded(ended, '100 TensorLeak true\n');
  });

  it('are no concern of a device that is disposed', async () => {
    const ended = await runScript(
      `${leak}
      const device = openDevice('cpu', { debug: true });
      leak(device);
      device.dispose();
      gc();
      await sleep();
      gc();
      await sleep();`,
      { nodeOptions: ['--expose-gc'] },
    );
    assertEnded(ended, '');
  });
});

describe('worker threads', () => {
  /** A worker that opens a device and runs `body`, with the port to its parent. */
  const worker = (body: string) => `
    import { Worker } from 'node:worker_threads';
    const [device, opsModule] = [openDevice, ops].map(() => null) && ${JSON.stringify([
      new URL('../../lib/tensor/device.js', import.meta.url).href,
      new URL('../../lib/ops/index.js', import.meta.url).href,
    ])};
    const source = \`
      import { parentPort } from 'node:worker_threads';
      const { openDevice } = await import('\${device}');
      const ops = await import('\${opsModule}');
      \${heavy}
      ${body}
    \`;
    const start = () => new Worker(new URL('data:text/javascript,' + encodeURIComponent(source)));
  `;
  const once = `
    const message = (worker) => new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject));
    const exit = (worker) => new Promise((resolve) => worker.on('exit', resolve));
  `;

  it('compute at the same time as each other and as the main thread', async () => {
    const ended = await runScript(`
      ${worker(`
        const y = heavy(openDevice('cpu'), 3);
        parentPort.postMessage((await ops.sum(y).item()).toFixed(3));
      `)}
      ${once}
      const here = ops.sum(heavy(openDevice('cpu'), 3)).item();
      const there = await Promise.all([message(start()), message(start())]);
      const expected = (await here).toFixed(3);
      console.log(there.every((value) => value === expected));
    `);
    assertEnded(ended, 'true\n');
  });

  it('can be terminated in the middle of work', async () => {
    const ended = await runScript(`
      ${worker(`
        const pending = heavy(openDevice('cpu'), 500).data();
        parentPort.postMessage('started');
        await pending;
      `)}
      ${once}
      for (let i = 0; i < 3; i++) {
        const running = start();
        await message(running);
        await running.terminate();
      }
      console.log(await ops.fill(openDevice('cpu'), { shape: [], value: 5 }).item());
    `);
    assertEnded(ended, '5\n');
  });

  it('can end with a device open and work submitted', async () => {
    const ended = await runScript(`
      ${worker(`heavy(openDevice('cpu'), 20); parentPort.postMessage('started');`)}
      ${once}
      const running = [start(), start()];
      console.log((await Promise.all(running.map(exit))).join());
    `);
    assertEnded(ended, '0,0\n');
  });
});
