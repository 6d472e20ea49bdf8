// Makes link-time stand-ins for this machine's C library that offer only the symbols of an older glibc.
// Invariant: a symbol is offered in the newest version that the old glibc has, or not at all; nothing is ever run.
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { output } from './run.mjs';

const LIBRARIES = ['libc.so.6', 'libm.so.6', 'ld-linux-x86-64.so.2'];

/** -1, 0 or 1 for dotted numbers: 2.9 is older than 2.27. */
export function compareVersions(a, b) {
  const [left, right] = [a, b].map((version) => version.split('.').map(Number));
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return Math.sign(difference);
  }
  return 0;
}

/** Dynamic symbols of a library: name, version without its prefix, whether it is undefined, weak, data. */
export function dynamicSymbols(file) {
  const symbols = [];
  for (const line of output('objdump', ['-T', file]).split('\n')) {
    const match =
      /^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\(?([A-Z]\w*_[\d.]+|Base)\)?)?\s*(?:\.\w+ )?(\S+)$/.exec(
        line,
      );
    if (!match) continue;
    const [, flags, section, version, name] = match;
    symbols.push({ name, version, section, weak: flags.includes('w'), data: flags.endsWith('O') });
  }
  return symbols;
}

/** The newest version of each symbol that is no newer than `floor`. */
function symbolsAt(floor, file) {
  const chosen = new Map();
  for (const { name, version, section, data } of dynamicSymbols(file)) {
    const number = /^GLIBC_(\d[\d.]*)$/.exec(version ?? '')?.[1];
    // *ABS*: the names of the versions themselves.
    if (section.startsWith('*') || number === undefined || compareVersions(number, floor) > 0) continue;
    const before = chosen.get(name);
    if (before === undefined || compareVersions(before.number, number) < 0) {
      chosen.set(name, { number, data });
    }
  }
  return chosen;
}

function makeStub(folder, library, floor) {
  const file = output('gcc', [`-print-file-name=${library}`]).trim();
  const symbols = symbolsAt(floor, path.isAbsolute(file) ? file : `/lib64/${library}`);
  if (symbols.size === 0) throw new Error(`${file} has no symbols of glibc ${floor} or older`);
  const code = [];
  const nodes = new Map();
  for (const [name, { number, data }] of symbols) {
    code.push(`.globl ${name}`, `.type ${name}, ${data ? '@object' : '@function'}`);
    code.push(data ? `.data\n${name}: .quad 0\n.size ${name}, 8` : `.text\n${name}: ret`);
    nodes.set(number, [...(nodes.get(number) ?? []), name]);
  }
  code.push('.section .note.GNU-stack,"",@progbits', '');
  const script = [...nodes].map(([number, names]) => `GLIBC_${number} { ${names.join('; ')}; };`);
  const base = path.join(folder, library);
  writeFileSync(`${base}.s`, code.join('\n'));
  writeFileSync(`${base}.map`, `${script.join('\n')}\n`);
  const flags = ['-shared', '-nostdlib', `-Wl,-soname,${library}`, `-Wl,--version-script=${base}.map`];
  output('gcc', [...flags, '-o', base, `${base}.s`]);
}

/**
 * Fills `folder` with libc.so and libm.so for `-L`.
 * @param floor the glibc to link against, e.g. '2.27'
 */
export function makeStubs(folder, floor) {
  mkdirSync(folder, { recursive: true });
  for (const library of LIBRARIES) makeStub(folder, library, floor);
  const [libc, libm, loader] = LIBRARIES.map((library) => path.join(folder, library));
  const inside = output('gcc', ['-print-file-name=libc_nonshared.a']).trim();
  writeFileSync(path.join(folder, 'libc.so'), `GROUP ( ${libc} ${inside} AS_NEEDED ( ${loader} ) )\n`);
  writeFileSync(path.join(folder, 'libm.so'), `GROUP ( ${libm} )\n`);
}
