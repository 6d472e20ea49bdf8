// Says why the native addon did not load: what was found, what is needed, and the command to run.
// Invariant: the text is a function of the facts; gathering them loads nothing and never throws.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

/** The oldest C library that a package's binary loads with. */
const PREBUILT_GLIBC: Readonly<Record<string, string>> = { 'linux-x64': '2.27', 'linux-arm64': '2.31' };

/** What is known of a failed load. */
export interface LoadFacts {
  /** As Node.js names it: `linux-x64`. */
  readonly platform: string;
  /** `glibc 2.36`, `musl`; undefined off Linux. */
  readonly libc: string | undefined;
  readonly node: string;
  /** The folder of this package. */
  readonly directory: string;
  /** The file that was to be loaded; undefined if there is none. */
  readonly file: string | undefined;
  /** The system's words. */
  readonly reason: string;
  /** Platforms that this copy of the package has binaries for. */
  readonly prebuilt: readonly string[];
  /** Whether this is a checkout with its build tools, and not an installed package. */
  readonly checkout: boolean;
}

interface Diagnosis {
  readonly needed: string;
  readonly advice: string;
}

type Rule = (facts: LoadFacts) => Diagnosis | undefined;

/** @param file that was to be loaded; undefined if none was found */
export function gatherLoadFacts(directory: string, file: string | undefined, reason: string): LoadFacts {
  return {
    platform: `${process.platform}-${process.arch}`,
    libc: systemLibc(),
    node: process.versions.node,
    directory,
    file,
    reason,
    prebuilt: foldersIn(path.join(directory, 'prebuilds')),
    checkout: existsSync(path.join(directory, 'tsconfig.json')),
  };
}

/** `glibc 2.36`, or `musl`; undefined off Linux. */
export function systemLibc(): string | undefined {
  if (process.platform !== 'linux') return undefined;
  const { header } = process.report.getReport() as { header: { glibcVersionRuntime?: string } };
  return header.glibcVersionRuntime === undefined ? 'musl' : `glibc ${header.glibcVersionRuntime}`;
}

function foldersIn(directory: string): string[] {
  try {
    return readdirSync(directory).sort();
  } catch {
    return [];
  }
}

/** The message of the error: several lines, the first of which stands alone. */
export function explainLoadFailure(facts: LoadFacts): string {
  const { platform, libc, node, file } = facts;
  const diagnosis = RULES.map((rule) => rule(facts)).find((found) => found !== undefined);
  const { needed, advice } = diagnosis ?? { needed: prebuiltText(facts), advice: buildText(facts) };
  return [
    `The native addon did not load on ${platform}, Node ${node}: ${facts.reason}`,
    `Found: ${[platform, libc].filter(Boolean).join(', ')}, Node ${node}; ${file ?? `no binary in ${facts.directory}`}`,
    `Needed: ${needed}`,
    `What to do: ${advice}`,
    'For a report of this: npx alexnet info',
  ].join('\n');
}

const RULES: readonly Rule[] = [noBinary, musl, oldGlibc, missingLibrary, unreadable, damaged];

function noBinary(facts: LoadFacts): Diagnosis | undefined {
  if (facts.file !== undefined) return undefined;
  const { prebuilt, checkout, platform } = facts;
  if (checkout) return { needed: 'the addon, built in this checkout', advice: 'npm run build:native' };
  if (prebuilt.includes(platform) || prebuilt.length === 0) {
    return {
      needed: `alexnet.node in ${path.join(facts.directory, 'prebuilds', platform)}`,
      advice: `install the package again (npm install alexnet --force), or ${buildText(facts)}`,
    };
  }
  return { needed: prebuiltText(facts), advice: buildText(facts) };
}

function musl(facts: LoadFacts): Diagnosis | undefined {
  if (facts.libc !== 'musl') return undefined;
  return {
    needed: `${prebuiltText(facts)}; Alpine and others with musl are not covered by it`,
    advice: `use an image with glibc, such as node:22-slim in place of node:22-alpine, or ${buildText(facts)}`,
  };
}

function oldGlibc(facts: LoadFacts): Diagnosis | undefined {
  const [, version] = /version [`']?(GLIBC(?:XX)?_[\d.]+)'? not found/.exec(facts.reason) ?? [];
  if (version === undefined) return undefined;
  const library = version.startsWith('GLIBCXX') ? 'libstdc++' : 'glibc';
  return {
    needed: `${library} with ${version}`,
    advice: `use a newer distribution (Debian 10, Ubuntu 20.04, RHEL 8 or later), or ${buildText(facts)}`,
  };
}

/** Files that are shipped beside the addon are lost when a bundler or an image takes the addon alone. */
function missingLibrary(facts: LoadFacts): Diagnosis | undefined {
  const [, library] = /(lib[\w+.-]+): cannot open shared object file/.exec(facts.reason) ?? [];
  if (library === undefined || facts.file === undefined) return undefined;
  if (/^lib(dnnl|gomp)\./.test(library)) {
    return {
      needed: `${library} beside alexnet.node, in ${path.dirname(facts.file)}`,
      advice: 'copy that folder as a whole (bundlers: keep alexnet external), or npm install alexnet --force',
    };
  }
  return {
    needed: `${library} on this system`,
    advice: /^libstdc/.test(library)
      ? 'apt-get install libstdc++6, or what your distribution calls it'
      : `install the package of your distribution that has ${library}`,
  };
}

function unreadable(facts: LoadFacts): Diagnosis | undefined {
  if (/failed to map segment|Operation not permitted/i.test(facts.reason)) {
    return {
      needed: 'a folder whose files may be run',
      advice: `mount the file system of ${facts.file} without noexec, or install the package elsewhere`,
    };
  }
  if (!/permission denied/i.test(facts.reason)) return undefined;
  return {
    needed: `read access to ${facts.file} for this user`,
    advice: `chmod -R a+rX ${facts.directory}`,
  };
}

function damaged(facts: LoadFacts): Diagnosis | undefined {
  const signs =
    /invalid ELF header|file too short|wrong ELF class|not a mach-o file|not a valid win32|ELF load command/i;
  if (!signs.test(facts.reason)) return undefined;
  return {
    needed: `a binary for ${facts.platform} in ${facts.file}`,
    advice: facts.checkout
      ? 'npm run build:native'
      : 'npm install alexnet --force (node_modules copied from another platform do not work)',
  };
}

function prebuiltText({ prebuilt, platform }: LoadFacts): string {
  const names = (prebuilt.length > 0 ? prebuilt : [platform]).map((name) => {
    const glibc = PREBUILT_GLIBC[name];
    return glibc === undefined ? name : `${name} (glibc ${glibc} or later)`;
  });
  return `a binary for one of: ${names.join(', ')}`;
}

/** One command that builds from source. */
function buildText({ checkout, directory }: LoadFacts): string {
  if (checkout) return 'build it: npm run build:native';
  const script = path.relative(process.cwd(), path.join(directory, 'scripts', 'build-native.mjs'));
  return (
    `build it (needs a C++17 compiler, CMake, and oneDNN or pip): ` +
    `npm install --no-save cmake-js@8 node-addon-api@8 && node ${script}`
  );
}
