// What a folder of prebuilt binaries holds, for each platform that there may be one for.
// Invariant: a package has the required ones; others are there as a whole or not at all.
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

export const REQUIRED_PLATFORM = 'linux-x64';

/** Only the first has been made and run so far; the others come from the workflow. oneDNN is inside them. */
export const PLATFORMS = {
  'linux-x64': { files: ['alexnet.node', 'libdnnl.so.3', 'libgomp.so.1'], glibc: '2.27' },
  'linux-arm64': { files: ['alexnet.node', 'libgomp.so.1'], glibc: '2.31' },
  'darwin-x64': { files: ['alexnet.node'] },
  'darwin-arm64': { files: ['alexnet.node'] },
  'win32-x64': { files: ['alexnet.node'] },
};

/** Names of the platforms that `prebuilds` has a folder for. */
export function platformsIn(prebuilds) {
  return existsSync(prebuilds) ? readdirSync(prebuilds).sort() : [];
}

/** What is missing in `prebuilds`, or does not belong there. */
export function platformProblems(prebuilds) {
  const there = platformsIn(prebuilds);
  const unknown = there.filter((name) => !(name in PLATFORMS)).map((name) => `${name} is no platform`);
  const wanted = Object.keys(PLATFORMS).filter((name) => name === REQUIRED_PLATFORM || there.includes(name));
  const missing = wanted.flatMap((name) =>
    PLATFORMS[name].files
      .filter((file) => !existsSync(path.join(prebuilds, name, file)))
      .map((file) => `${name}/${file} is missing`),
  );
  return [...unknown, ...missing];
}
