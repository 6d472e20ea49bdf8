// Elements and texts of the page.
// Invariant: texts become text nodes, never markup: names of classes and files are anybody's.

type State = import('../state.js').RunState;
type Patch = import('../state.js').RunPatch;
type Example = import('../state.js').Example;

type Child = Node | string;

function element<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Readonly<Record<string, string>> = {},
  children: readonly Child[] = [],
): HTMLElementTagNameMap[Tag] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function byId<E extends HTMLElement = HTMLElement>(id: string): E {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found as E;
}

function count(value: number): string {
  return new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 }).format(value);
}

/** Four significant digits: 1,234, 12.34, 0.00123; powers of ten where that is shorter. */
function number(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(1);
  return new Intl.NumberFormat('en-US', { maximumSignificantDigits: 4 }).format(value);
}

/** A loss. */
function nats(value: number): string {
  return value.toFixed(Math.abs(value) < 10 ? 3 : 1);
}

function percent(fraction: number): string {
  return `${(100 * fraction).toFixed(1)} %`;
}

function mebibytes(bytes: number): string {
  const mebi = bytes / 2 ** 20;
  return mebi >= 1024 ? `${(mebi / 1024).toFixed(2)} GiB` : `${mebi.toFixed(0)} MiB`;
}

/** The two largest units. */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  const hours = Math.floor(whole / 3600);
  if (hours < 48) return `${hours} h ${Math.floor((whole % 3600) / 60)} min`;
  return `${Math.floor(hours / 24)} d ${hours % 24} h`;
}
