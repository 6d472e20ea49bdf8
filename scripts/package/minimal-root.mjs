// Unpacks the least Debian that Node.js starts in: its C library and the compiler's run-time libraries, nothing else.
// Invariant: everything is under the given folder; the packages are those that Debian signed.
import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { output } from '../run.mjs';

const PACKAGES = ['libc6', 'libgcc-s1', 'libstdc++6'];
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

/** Reasons why no such root can be made and entered here; undefined if it can. */
export function whyNoRoot() {
  if (process.platform !== 'linux') return 'not Linux';
  if (process.getuid() !== 0) return 'chroot needs root';
  if (!existsSync(KEYRING) || !existsSync('/usr/bin/dpkg-deb')) return 'not a Debian system';
  return undefined;
}

/**
 * @param folder becomes the root
 * @param suite  Debian's name of a release: 'bullseye' has glibc 2.31
 */
export function makeMinimalRoot(folder, suite) {
  const downloads = `${folder}.packages`;
  for (const part of ['lists/partial', 'cache/archives/partial']) {
    mkdirSync(path.join(downloads, part), { recursive: true });
  }
  const sources = path.join(downloads, 'sources.list');
  writeFileSync(sources, `deb [signed-by=${KEYRING}] http://deb.debian.org/debian ${suite} main\n`);
  const settings = [
    `Dir::Etc::SourceList=${sources}`,
    'Dir::Etc::SourceParts=/dev/null',
    'Dir::State::Status=/dev/null',
    `Dir::State::Lists=${downloads}/lists`,
    `Dir::Cache=${downloads}/cache`,
    'APT::Sandbox::User=root',
    'Acquire::Languages=none',
  ].flatMap((setting) => ['-o', setting]);
  output('apt-get', ['-qq', ...settings, 'update']);
  output('apt-get', ['-qq', ...settings, 'download', ...PACKAGES], { cwd: downloads });
  for (const file of readdirSync(downloads).filter((name) => name.endsWith('.deb'))) {
    output('dpkg-deb', ['-x', path.join(downloads, file), folder]);
  }
  mkdirSync(path.join(folder, 'tmp'), { recursive: true });
  cpSync(process.execPath, path.join(folder, 'bin', 'node'), { force: true });
}
