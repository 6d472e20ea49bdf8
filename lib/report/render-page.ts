// The page of a report or a dashboard as one HTML text: styles, scripts and data are in it, nothing is fetched.
// Invariant: its policy allows exactly these scripts and styles by their hashes; data cannot become markup or code.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { packageDirectory } from '../native/addon.js';
import type { RunState } from './state.js';

/** In the order in which they are put into the page, where they share one scope. */
const scripts = ['dom.js', 'charts.js', 'panels.js', 'main.js'];

interface Parts {
  readonly template: string;
  readonly style: string;
  readonly script: string;
}

export interface RenderedPage {
  readonly html: string;
  /** For the header of the same name, where there is one. */
  readonly contentSecurityPolicy: string;
}

/** @param state  what to show; null: the page asks its server, with `/events` */
export async function renderPage(state: RunState | null): Promise<RenderedPage> {
  const { template, style, script } = await readParts();
  const connect = state === null ? ["connect-src 'self'"] : [];
  const contentSecurityPolicy = [
    "default-src 'none'",
    `script-src ${hash(script)}`,
    `style-src ${hash(style)}`,
    'img-src data:',
    ...connect,
    "base-uri 'none'",
    "form-action 'none'",
  ].join('; ');
  const values: Readonly<Record<string, string>> = {
    policy: contentSecurityPolicy,
    title: escapeHtml(state?.title ?? 'Training'),
    style,
    script,
    state: embeddable(state),
  };
  // One pass, so that nothing that is put in is looked at again.
  const html = template.replace(
    /"\{\{state\}\}"|\s*\/\*\{\{(\w+)\}\}\*\/\s*|\{\{(\w+)\}\}/g,
    (_, code?: string, text?: string) => values[code ?? text ?? 'state'] ?? '',
  );
  return { html, contentSecurityPolicy };
}

async function readParts(): Promise<Parts> {
  const source = path.join(packageDirectory, 'lib/report/page');
  const built = path.join(packageDirectory, 'dist/lib/report/page');
  const uplot = path.dirname(createRequire(import.meta.url).resolve('uplot'));
  const read = (file: string) => readFile(file, 'utf8');
  const [template, chartStyle, style, charts, ...own] = await Promise.all([
    read(path.join(source, 'index.html')),
    read(path.join(uplot, 'uPlot.min.css')),
    read(path.join(source, 'style.css')),
    read(path.join(uplot, 'uPlot.iife.min.js')),
    ...scripts.map((name) => read(path.join(built, name))),
  ]);
  // Each in a scope of its own, so that neither sees more of the other than it gives.
  const script = `${charts}\n(() => {\n'use strict';\n${own.join('\n')}})();\n`;
  return { template, style: `${chartStyle}\n${style}`, script };
}

function hash(text: string): string {
  return `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
}

/** JSON in a script element ends where the text `</script` stands, and `<!--` changes how it is read. */
function embeddable(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

function escapeHtml(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
