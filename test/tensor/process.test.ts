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

  it('ends when its device is disposed while work is awaited, and gets the results', async () => {
    const ended = await runScript(`
      const device = openDevice('cpu');
      const pending = heavy(device, 5).data();
      device.dispose();
      console.log((await pending).length > 0);
    `);
    assertEnded(ended, 'true\n');
  });

  it('ends with an error that nobody catches, in the middle of work', async () => {
    const { code, signal, stderr } = await runScript(`
      heavy(openDevice('cpu'), 200).data().then(() => console.log('never'));
      setTimeout(() => { throw new Error('on purpose'); }, 50);
    `);
    assert.deepEqual({ code, signal }, { code: 1, signal: null });
    assert.match(stderr, /Error: on purpose/);
  });

  it('exits with the code it gave, in the middle of work on ever new shapes', async () => {
    const script = `
      const device = openDevice('cpu');
      let size = 5;
      setInterval(() => {
        for (let i = 0; i < 50; i++, size++) {
          device.scope(() => {
            const x = ops.fill(device, { shape: [1, 16, 5 + size % 300, 7], value: 1 });
            const w = ops.fill(device, { shape: [16, 16, 3, 3], value: 1 });
            ops.sum(ops.conv2d(x, w)).data().then(() => {}, () => {});
          });
        }
      }, 1);
      setTimeout(() => process.exit(7), 60);
    `;
    for (const ended of await Promise.all([1, 2, 3, 4].map(() => runScript(script)))) {
      assertEnded(ended, '', 7);
    }
  });

  it('opens no device while it exits, and says why', async () => {
    const ended = await runScript(`
      openDevice('cpu');
      process.on('exit', () => {
        try { openDevice('cpu'); } catch (error) { console.log(error.code, error.message); }
      });
    `);
    assertEnded(ended, "ERR_DEVICE Device 'cpu' cannot be opened: the process is about to exit.\n");
  });

  it('gives back the threads of devices that are disposed', async () => {
    const ended = await runScript(`
      import { readFileSync } from 'node:fs';
      const addressSpaceKib = () => Number(/VmSize:\\s*(\\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]);
      async function useDevice() {
        const device = openDevice('cpu', { threads: 1 });
        await ops.fill(device, { shape: [10], value: 1 }).data();
        device.dispose();
      }
      for (let i = 0; i < 20; i++) await useDevice();
      const before = addressSpaceKib();
      for (let i = 0; i < 200; i++) await useDevice();
      // A thread's stack is 8 MiB.
      console.log(addressSpaceKib() - before < 200 * 8 * 1024 / 4);
    `);
    assertEnded(ended, 'true\n');
  });
});

describe('tensors that nobody disposes', () => {
  const nodeOptions = ['--expose-gc'];
  const leak = `
    function leak(device) { for (let i = 0; i < 100; i++) device.tensor([1, 2, 3], { shape: [3] }); }
    async function collected(device) {
      for (let i = 0; i < 100 && device.memory().tensors > 0; i++) { gc(); await sleep(20); }
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
      { nodeOptions },
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
      await sleep(20);
      console.log(warnings.length, warnings[0].name, /never disposed[^]*at leak \\(/.test(warnings[0].message));`,
      { nodeOptions },
    );
    assertEnded(ended, '100 TensorLeak true\n');
  });

  it('are not reported if they were disposed', async () => {
    const ended = await runScript(
      `const device = openDevice('cpu', { debug: true });
      for (let i = 0; i < 100; i++) device.tensor([1, 2, 3], { shape: [3] }).dispose();
      for (let i = 0; i < 3; i++) { gc(); await sleep(20); }`,
      { nodeOptions },
    );
    assertEnded(ended, '');
  });

  it('are no concern of a device that is disposed', async () => {
    const ended = await runScript(
      `${leak}
      const device = openDevice('cpu', { debug: true });
      leak(device);
      device.dispose();
      for (let i = 0; i < 3; i++) { gc(); await sleep(20); }`,
      { nodeOptions },
    );
    assertEnded(ended, '');
  });
});

describe('worker threads', () => {
  it('compute at the same time as each other and as the main thread', async () => {
    const ended = await runScript(
      `const here = ops.sum(heavy(openDevice('cpu'), 3)).item();
      const there = await Promise.all([startWorker().message, startWorker().message]);
      const expected = await here;
      console.log(there.every((value) => value === expected));`,
      { worker: `parentPort.postMessage(await ops.sum(heavy(openDevice('cpu'), 3)).item());` },
    );
    assertEnded(ended, 'true\n');
  });

  it('can be terminated in the middle of work, and others still work', async () => {
    const ended = await runScript(
      `for (let i = 0; i < 3; i++) {
        const worker = startWorker();
        await worker.message;
        await worker.terminate();
      }
      console.log(await ops.fill(openDevice('cpu'), { shape: [], value: 5 }).item());`,
      {
        worker: `
          const pending = heavy(openDevice('cpu'), 500).data();
          parentPort.postMessage('started');
          await pending;
        `,
      },
    );
    assertEnded(ended, '5\n');
  });

  it('can be terminated in the middle of calls and of results that arrive', async () => {
    const ended = await runScript(
      `for (let i = 0; i < 5; i++) {
        const worker = startWorker();
        await worker.message;
        await sleep(5 * i);
        await worker.terminate();
      }
      console.log('alive');`,
      {
        worker: `
          const device = openDevice('cpu');
          const work = () => ops.fill(device, { shape: [100], value: 1 }).data();
          for (let i = 0; i < 200; i++) void work();
          parentPort.postMessage('started');
          for (;;) await Promise.race([work(), work(), work()]);
        `,
      },
    );
    assertEnded(ended, 'alive\n');
  });

  it('can end with a device open and work submitted', async () => {
    const ended = await runScript(
      `const workers = [startWorker(), startWorker()];
      console.log((await Promise.all(workers.map((worker) => worker.ended))).join());`,
      { worker: `heavy(openDevice('cpu'), 20);` },
    );
    assertEnded(ended, '0,0\n');
  });

  it('may still work when the process exits', async () => {
    const ended = await runScript(
      `await startWorker().message;
      process.exit(3);`,
      {
        worker: `
          const pending = heavy(openDevice('cpu'), 500).data();
          parentPort.postMessage('started');
          await pending;
        `,
      },
    );
    assertEnded(ended, '', 3);
  });
});
