// The dashboard's server: what it answers, to whom, and that it says nothing to anybody else.
// Invariant: requests are made by hand, so that every header is the test's own.
import assert from 'node:assert/strict';
import { request, type IncomingHttpHeaders, type OutgoingHttpHeaders } from 'node:http';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { ArgumentError } from '../../lib/errors.js';
import { Dashboard, RunRecord, type RunPatch, type RunState } from '../../lib/report/index.js';
import { stepEvent } from './events.js';

interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

function ask(url: string, headers: OutgoingHttpHeaders = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body }),
      );
    });
    asked.on('error', reject).end();
  });
}

interface Message {
  readonly event: string;
  readonly data: unknown;
}

/** Follows /events until `enough`. */
function listen(url: string, enough: (messages: readonly Message[]) => boolean): Promise<Message[]> {
  return new Promise((resolve, reject) => {
    const asked = request(`${url}events`, { agent: false }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (more: string) => {
        text += more;
        const messages = text
          .split('\n\n')
          .slice(0, -1)
          .flatMap((block): Message[] => {
            const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
            return event === undefined ? [] : [{ event, data: JSON.parse(data ?? '') as unknown }];
          });
        if (!enough(messages)) return;
        asked.destroy();
        resolve(messages);
      });
      response.on('error', () => undefined);
    });
    asked.on('error', reject).end();
  });
}

describe('the dashboard', () => {
  let record: RunRecord;
  let dashboard: Dashboard;
  let port: number;
  beforeEach(async () => {
    record = new RunRecord({ title: 'T' });
    dashboard = await Dashboard.open(record);
    port = Number(new URL(dashboard.url).port);
  });
  afterEach(() => dashboard.close());

  it('serves its page with a policy that allows nothing from elsewhere', async () => {
    const { status, headers, body } = await ask(dashboard.url);
    assert.equal(status, 200);
    assert.match(body, /^<!doctype html>/);
    assert.match(headers['content-type'] ?? '', /^text\/html; charset=utf-8$/);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^default-src 'none'; script-src 'sha256-[^']+'; style-src 'sha256-[^']+'; /);
    assert.match(policy, /; connect-src 'self'; .*frame-ancestors 'none'$/);
    assert.doesNotMatch(policy, /unsafe|\*|http/);
    assert.equal(headers['x-content-type-options'], 'nosniff');
    assert.equal(headers['cache-control'], 'no-store');
    assert.equal(headers['access-control-allow-origin'], undefined);
  });

  for (const [what, header, status] of [
    ['localhost', 'host: localhost:PORT', 200],
    ['its own origin', 'origin: http://127.0.0.1:PORT', 200],
    ['a name that was pointed at this machine', 'host: evil.example:PORT', 403],
    ['a host without a port', 'host: 127.0.0.1', 403],
    ['another port of this machine', 'host: 127.0.0.1:1', 403],
    ['a page of another site', 'origin: https://evil.example', 403],
    ['a page of another port', 'origin: http://127.0.0.1:1', 403],
    ['a page that hides its origin', 'origin: null', 403],
    ['its own origin by https', 'origin: https://127.0.0.1:PORT', 403],
  ] as const) {
    it(`answers ${status} to ${what}, on the page and on the events`, async () => {
      const [name, value] = header.replace('PORT', String(port)).split(': ') as [string, string];
      const sent = { [name]: value };
      assert.equal((await ask(dashboard.url, sent)).status, status);
      if (status === 403) {
        const { status: events, body } = await ask(`${dashboard.url}events`, sent);
        assert.deepEqual([events, body], [403, '']);
      }
    });
  }

  for (const [path, method, status] of [
    ['/etc/passwd', 'GET', 404],
    ['/../../etc/passwd', 'GET', 404],
    ['/events/', 'GET', 404],
    ['/?x=1', 'GET', 404],
    ['/', 'POST', 405],
    ['/events', 'DELETE', 405],
    ['/', 'OPTIONS', 405],
  ] as const) {
    it(`answers ${status} to ${method} ${path}`, async () => {
      const url = dashboard.url.slice(0, -1) + path;
      assert.deepEqual(
        await new Promise((resolve, reject) => {
          const asked = request(dashboard.url, { path, method, agent: false }, (response) => {
            response.resume();
            resolve(response.statusCode);
          });
          asked.on('error', reject).end();
        }),
        status,
        url,
      );
    });
  }

  it('listens on loopback only', async () => {
    const others = Object.values(networkInterfaces())
      .flatMap((addresses) => addresses ?? [])
      .filter(({ internal, family }) => !internal && family === 'IPv4');
    for (const { address } of others) {
      const refused = await new Promise((resolve) => {
        const socket = connect({ host: address, port });
        socket.on('connect', () => resolve(false)).on('error', () => resolve(true));
      });
      assert.equal(refused, true, address);
    }
    assert.equal(new URL(dashboard.url).hostname, '127.0.0.1');
  });

  it('sends the state, and then what has changed, several changes at a time', async () => {
    record.handle(stepEvent(1));
    let later = false;
    const messages = await listen(dashboard.url, (received) => {
      if (received.length === 1 && !later) {
        later = true;
        for (let step = 2; step <= 5; step++) record.handle(stepEvent(step));
      }
      return received.length === 2;
    });
    const [state, patches] = messages;
    assert.deepEqual([state?.event, patches?.event], ['state', 'patches']);
    assert.deepEqual((state?.data as RunState).steps.step, [1]);
    const steps = (patches?.data as RunPatch[]).map(({ append }) => append.steps?.step);
    assert.deepEqual(steps, [[2], [3], [4], [5]]);
  });

  it('sends nothing twice to one that comes while changes wait to be sent', async () => {
    let second: Promise<Message[]> | undefined;
    const first = await listen(dashboard.url, (received) => {
      if (received.length === 1 && !second) {
        record.handle(stepEvent(1));
        second = listen(dashboard.url, (messages) => messages.length === 2);
        setTimeout(() => record.handle(stepEvent(2)), 100);
      }
      return received.length === 3;
    });
    const [state, patches] = await second!;
    assert.deepEqual((state?.data as RunState).steps.step, [1]);
    assert.deepEqual((patches?.data as RunPatch[]).length, 1);
    assert.deepEqual(
      first.slice(1).map(({ data }) => (data as RunPatch[]).length),
      [1, 1],
    );
  });

  it('lets sixteen pages listen, and no more', async () => {
    const greeted = new Set<number>();
    const open = Array.from({ length: 16 }, (_, i) =>
      listen(dashboard.url, (messages) => greeted.add(i) && messages.length === 2),
    );
    while (greeted.size < 16) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.equal((await ask(`${dashboard.url}events`)).status, 503);
    assert.equal((await ask(dashboard.url)).status, 200);
    record.handle(stepEvent(1));
    await Promise.all(open);
  });

  it('ends all connections when it is closed', async () => {
    const ended = ask(`${dashboard.url}events`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await dashboard.close();
    assert.match((await ended).body, /^event: state\n/);
    await assert.rejects(ask(dashboard.url), { code: 'ECONNREFUSED' });
  });

  it('says what to do when its port is taken', async () => {
    await assert.rejects(Dashboard.open(record, { port }), (error: Error) => {
      assert.ok(error instanceof ArgumentError);
      assert.match(error.message, new RegExp(`cannot listen on 127\\.0\\.0\\.1:${port}: .*another port`));
      return true;
    });
  });
});
