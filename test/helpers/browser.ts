// A headless Chromium for the tests of pages, and what a page must not do.
// Invariant: nothing is fetched from elsewhere; an error in a page's console fails the test.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

function find(): string | undefined {
  const chosen = process.env['CHROMIUM_PATH'];
  if (chosen !== undefined) return chosen;
  const folders = (process.env['PATH'] ?? '').split(':');
  return folders.flatMap((folder) => NAMES.map((name) => `${folder}/${name}`)).find(existsSync);
}

/** On a machine that is there for tests alone, the browser is put in place rather than done without. */
function install(): void {
  if (process.env['CI'] === undefined || process.getuid?.() !== 0) return;
  try {
    execFileSync('apt-get', ['update'], { stdio: 'ignore' });
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'chromium'], { stdio: 'ignore' });
  } catch {
    // It is said below that there is none.
  }
}

/** A browser while a suite runs; without one the suite is pending, and says what to install. */
export class TestBrowser {
  #browser: Browser | undefined;
  #problems: string[] = [];

  async open(suite: Mocha.Context): Promise<void> {
    suite.timeout(300_000);
    if (find() === undefined) install();
    const executablePath = find();
    if (executablePath === undefined) {
      console.error(
        '      no Chromium was found: install it (apt-get install chromium) or set CHROMIUM_PATH',
      );
      suite.skip();
    }
    // The sandbox needs privileges that containers do not give; the pages are our own.
    this.#browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  }

  async close(): Promise<void> {
    await this.#browser?.close();
  }

  /** A page that notes its errors and whatever it asks for besides itself. */
  async page(url: string, options: BrowserContextOptions = {}): Promise<Page> {
    this.#problems = [];
    const page = await this.#browser!.newPage({ viewport: { width: 1280, height: 900 }, ...options });
    const origin = new URL(url).origin;
    page.on('pageerror', (error) => this.#problems.push(`error: ${error.message}`));
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) this.#problems.push(message.text());
    });
    page.on('request', (request) => {
      const asked = new URL(request.url());
      const own = asked.href === url || asked.protocol === 'data:';
      if (!own && (origin === 'null' || asked.origin !== origin)) {
        this.#problems.push(`fetched ${asked.href}`);
      }
    });
    await page.goto(url);
    return page;
  }

  /** Fails if the last page had an error or fetched anything. */
  assertClean(): void {
    assert.deepEqual(this.#problems, []);
  }
}
