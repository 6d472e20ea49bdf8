// A live page of a training, on this machine alone.
// Invariant: listens on loopback; answers GET / and GET /events to a browser that asks for just that, and nothing else.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { ArgumentError } from '../errors.js';
import { renderPage, type RenderedPage } from './render-page.js';
import type { RunRecord } from './run-record.js';
import type { RunPatch } from './state.js';

export interface DashboardOptions {
  /** Default 0: any free one. */
  readonly port?: number;
}

const HOST = '127.0.0.1';
/** Changes are sent together, this often. */
const FLUSH_MS = 500;
/** Keeps proxies and browsers from giving up a silent connection. */
const HEARTBEAT_MS = 15_000;
/** Pages that are open at a time. */
const MOST_CLIENTS = 16;
/** A page that takes this much less than it is sent is cut off; it asks again by itself. */
const MOST_BUFFERED_BYTES = 8 * 2 ** 20;

export class Dashboard {
  /** `http://127.0.0.1:PORT/` */
  readonly url: string;
  readonly #server: Server;
  readonly #record: RunRecord;
  readonly #page: RenderedPage;
  readonly #hosts: ReadonlySet<string>;
  readonly #clients = new Set<ServerResponse>();
  readonly #unsubscribe: () => void;
  readonly #heartbeat: NodeJS.Timeout;
  readonly #patches: RunPatch[] = [];
  #flush: NodeJS.Timeout | undefined;

  /** @throws ArgumentError if the port is taken */
  static async open(record: RunRecord, { port = 0 }: DashboardOptions = {}): Promise<Dashboard> {
    const page = await renderPage(null);
    const server = createServer();
    await new Promise<void>((resolve, reject) => {
      server.once('error', (cause) => {
        const reason = `the dashboard cannot listen on ${HOST}:${port}: ${cause.message}. Take another port.`;
        reject(new ArgumentError(reason));
      });
      server.listen(port, HOST, resolve);
    });
    return new Dashboard(server, record, page);
  }

  private constructor(server: Server, record: RunRecord, page: RenderedPage) {
    const { port } = server.address() as AddressInfo;
    this.url = `http://${HOST}:${port}/`;
    this.#hosts = new Set([`${HOST}:${port}`, `localhost:${port}`]);
    this.#server = server;
    this.#record = record;
    this.#page = page;
    this.#unsubscribe = record.subscribe((patch) => this.#changed(patch));
    this.#heartbeat = setInterval(() => this.#send(': still here\n\n'), HEARTBEAT_MS);
    // Training decides when the process ends.
    this.#heartbeat.unref();
    server.unref();
    server.on('request', (request, response) => this.#answer(request, response));
  }

  /** Sends what is still to be sent, and ends all connections. */
  async close(): Promise<void> {
    this.#unsubscribe();
    clearInterval(this.#heartbeat);
    this.#sendPatches();
    for (const client of this.#clients) client.end();
    await new Promise((resolve) => {
      this.#server.close(resolve);
      // What does not read its end is cut off.
      setTimeout(() => this.#server.closeAllConnections(), 200).unref();
    });
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const refused = this.#refuse(request);
    if (refused) {
      response.writeHead(refused, { ...headers, Connection: 'close' }).end();
      return;
    }
    if (request.url === '/events') this.#listen(response);
    else {
      const { html, contentSecurityPolicy } = this.#page;
      const policy = `${contentSecurityPolicy}; frame-ancestors 'none'`;
      const type = 'text/html; charset=utf-8';
      response
        .writeHead(200, { ...headers, 'Content-Type': type, 'Content-Security-Policy': policy })
        .end(html);
    }
  }

  /**
   * The status of a refusal. A page of another site can make a browser ask here, under a name that it has pointed at
   * this machine, or from its own origin: then Host or Origin is not ours.
   */
  #refuse({ method, url, headers: { host, origin } }: IncomingMessage): number | undefined {
    if (host === undefined || !this.#hosts.has(host.toLowerCase())) return 403;
    if (origin !== undefined && !this.#hosts.has(origin.replace(/^http:\/\//, ''))) return 403;
    if (url !== '/' && url !== '/events') return 404;
    if (method !== 'GET') return 405;
    return url === '/events' && this.#clients.size >= MOST_CLIENTS ? 503 : undefined;
  }

  #listen(response: ServerResponse): void {
    // Everybody who listens already must have what is about to be in the new one's state.
    this.#sendPatches();
    response.writeHead(200, { ...headers, 'Content-Type': 'text/event-stream' });
    response.on('close', () => this.#clients.delete(response));
    response.on('error', () => this.#clients.delete(response));
    response.write(`event: state\ndata: ${JSON.stringify(this.#record.state)}\n\n`);
    this.#clients.add(response);
  }

  #changed(patch: RunPatch): void {
    if (this.#clients.size === 0) return;
    this.#patches.push(patch);
    this.#flush ??= setTimeout(() => this.#sendPatches(), FLUSH_MS).unref();
  }

  #sendPatches(): void {
    clearTimeout(this.#flush);
    this.#flush = undefined;
    const patches = this.#patches.splice(0);
    if (patches.length > 0) this.#send(`event: patches\ndata: ${JSON.stringify(patches)}\n\n`);
  }

  #send(text: string): void {
    for (const client of this.#clients) {
      if (client.writableLength > MOST_BUFFERED_BYTES) client.destroy();
      else client.write(text);
    }
  }
}

const headers = {
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Resource-Policy': 'same-origin',
} as const;
