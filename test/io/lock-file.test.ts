// Locks that processes hold and leave: living ones, killed ones, ones whose pid is another process's now, ones far away.
// Invariant: processes are real; nothing but a death or a release frees a lock.
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { LockFile } from '../../lib/io/lock-file.js';
import { currentProcess } from '../../lib/io/process-identity.js';
import { tempFiles } from '../data/temp-folder.js';

const LOCK_FILE = new URL('../../lib/io/lock-file.js', import.meta.url).href;

/** A process in which `LockFile` and `file` are there. */
function script(file: string, body: string): ChildProcess {
  const source = `import { LockFile } from ${JSON.stringify(LOCK_FILE)};
    import fs from 'node:fs';
    import { spawn } from 'node:child_process';
    const file = ${JSON.stringify(file)};
    ${body}`;
  const flags = ['--input-type=module', '--eval', source];
  return spawn(process.execPath, flags, { stdio: ['ignore', 'pipe', 'inherit'] });
}

/** What a process writes first. */
async function firstWord({ stdout }: ChildProcess): Promise<string> {
  const [text] = (await once(stdout!.setEncoding('utf8'), 'data')) as [string];
  return text.trim();
}

const HOLD = `await LockFile.take(file); console.log(process.pid); setInterval(() => {}, 1000);`;

/** A lock file as another process would have left it. */
function left(changes: Partial<ReturnType<typeof currentProcess>>): string {
  const owner = { ...currentProcess(), token: 'left', since: '2026-01-01T00:00:00.000Z', ...changes };
  return path.join(tempFiles({ lock: JSON.stringify(owner) }), 'lock');
}

const newLock = () => path.join(tempFiles({}), 'lock');

describe('A lock', () => {
  it('is refused while its process lives, with its pid and host, and free when that is killed', async () => {
    const file = newLock();
    const child = script(file, HOLD);
    await firstWord(child);
    const { pid } = child;
    await assert.rejects(LockFile.take(file), { code: 'ERR_IN_USE', pid, host: currentProcess().host });
    child.kill('SIGKILL');
    await once(child, 'exit');
    await (await LockFile.take(file)).release();
    assert.deepEqual(readdirSync(path.dirname(file)), []);
  });

  it('of a killed process is free before its parent has looked', async function () {
    if (process.platform !== 'linux') return this.skip();
    const file = newLock();
    const parent = script(
      file,
      `const flags = ['--input-type=module', '--eval', ${JSON.stringify(
        `import { LockFile } from ${JSON.stringify(LOCK_FILE)}; const file = ${JSON.stringify(file)}; ${HOLD}`,
      )}];
      spawn(process.execPath, flags, { stdio: 'inherit' });`,
    );
    const pid = Number(await firstWord(parent));
    parent.kill('SIGSTOP');
    process.kill(pid, 'SIGKILL');
    const until = performance.now() + 5000;
    while (performance.now() < until && !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8')));
    await (await LockFile.take(file)).release();
    parent.kill('SIGKILL');
  });

  it('is free if another process has the pid of its own now', async () => {
    const file = left({ started: `${currentProcess().started.split(' ')[0]} 1` });
    await (await LockFile.take(file)).release();
  });

  it('is one opening only, within a process too', async () => {
    const file = newLock();
    const lock = await LockFile.take(file);
    await assert.rejects(LockFile.take(file), /this process on .* has been writing here since 20/);
    await lock.release();
    await (await LockFile.take(file)).release();
  });

  it('goes to one of many that find it left behind, every time', async () => {
    const file = newLock();
    const inside = path.join(path.dirname(file), 'inside');
    const children = Array.from({ length: 8 }, () =>
      script(
        file,
        `for (;;) {
          try {
            await LockFile.take(file);
            break;
          } catch (error) {
            if (error.code !== 'ERR_IN_USE') throw error;
          }
        }
        fs.writeFileSync(${JSON.stringify(inside)}, '', { flag: 'wx' });
        await new Promise((resolve) => setTimeout(resolve, 3));
        fs.unlinkSync(${JSON.stringify(inside)});
        process.kill(process.pid, 'SIGKILL');`,
      ),
    );
    const ends = await Promise.all(children.map((child) => once(child, 'exit')));
    assert.deepEqual(
      ends.map(([, signal]) => signal as string),
      ends.map(() => 'SIGKILL'),
    );
    await (await LockFile.take(file)).release();
    assert.deepEqual(readdirSync(path.dirname(file)), []);
  });

  it('is moved into although an heir was killed on the threshold', async () => {
    const file = newLock();
    const dead = { ...currentProcess(), started: `${currentProcess().started.split(' ')[0]} 1` };
    writeFileSync(file, JSON.stringify({ ...dead, token: 'first', since: '' }));
    writeFileSync(`${file}.first`, JSON.stringify({ ...dead, token: 'second', since: '' }));
    const lock = await LockFile.take(file);
    assert.deepEqual(readdirSync(path.dirname(file)), ['lock']);
    await lock.release();
  });

  const far = { host: 'elsewhere', started: 'another-boot 77' };
  const quick = { beatMs: 20, silenceMs: 300 };

  it('of another machine is free after a silence, of which is told', async () => {
    const file = left(far);
    let told = '';
    const onWait = ({ host }: { readonly host: string }) => (told = host);
    await (await LockFile.take(file, { ...quick, onWait })).release();
    assert.equal(told, 'elsewhere');
  });

  it('of another machine is refused at its first sign of life', async () => {
    const file = left(far);
    const touching = setInterval(() => utimesSync(file, new Date(), new Date()), 20);
    try {
      await assert.rejects(LockFile.take(file, { ...quick, silenceMs: 20_000 }), (error: Error) => {
        assert.match(error.message, /on elsewhere has been writing here .* delete .*lock/);
        return true;
      });
    } finally {
      clearInterval(touching);
    }
  });

  it('of another machine can be given up waiting for', async () => {
    const signal = AbortSignal.timeout(50);
    await assert.rejects(LockFile.take(left(far), { beatMs: 20, signal }), { code: 'ERR_ABORTED' });
  });

  it('gives signs of life', async () => {
    const file = newLock();
    const lock = await LockFile.take(file, { beatMs: 10 });
    const { mtimeMs } = statSync(file);
    const until = performance.now() + 5000;
    while (statSync(file).mtimeMs === mtimeMs && performance.now() < until) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    assert.notEqual(statSync(file).mtimeMs, mtimeMs);
    await lock.release();
  });

  it('that was taken over is noticed by who had it, and not removed', async () => {
    const file = newLock();
    const lock = await LockFile.take(file);
    await lock.check();
    writeFileSync(file, readFileSync(left(far)));
    await assert.rejects(lock.check(), { code: 'ERR_IN_USE', host: 'elsewhere' });
    await lock.release();
    assert.deepEqual(readdirSync(path.dirname(file)), ['lock']);
  });

  it('that names nobody is an error that says so', async () => {
    const file = path.join(tempFiles({ lock: '{"pid":' }), 'lock');
    await assert.rejects(LockFile.take(file), /does not say which process .* delete it/);
  });

  it('that cannot be written is an error of the file', async () => {
    await assert.rejects(LockFile.take(path.join(tempFiles({}), 'no', 'lock')), { code: 'ERR_FILE' });
  });
});
