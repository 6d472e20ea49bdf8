// Publishes the package: node scripts/release.mjs [--publish]. Without --publish it only says whether it could be.
// Invariant: nothing is published whose tests, prebuilds, notices or changelog are missing or out of date, or of whose
// dependencies a vulnerability is known, or is not known because the registry did not say.
// --root DIR looks at another checkout; --skip-tests leaves tests and audit out: for looking only, without --publish.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { audit } from './package/audit.mjs';
import { platformProblems, platformsIn } from './package/platforms.mjs';
import { output } from './run.mjs';
import { root as ownRoot } from './wheels.mjs';

const TESTS = ['test', 'test:package', 'docs'];
/** What the notices must name: the parts that are shipped, in the versions that the build fetches. */
const NOTICED = ['libdnnl.so.3', 'libgomp.so.1', 'libstdc++', 'node-addon-api', 'cudnn-frontend'];

const { values } = parseArgs({
  options: {
    publish: { type: 'boolean', default: false },
    'skip-tests': { type: 'boolean', default: false },
    root: { type: 'string', default: ownRoot },
  },
});
const at = (...parts) => path.join(values.root, ...parts);
const read = (...parts) => (existsSync(at(...parts)) ? readFileSync(at(...parts), 'utf8') : '');

function changelogProblems(version) {
  const sections = read('CHANGELOG.md').split(/^## /m);
  const section = sections.find((text) => text.startsWith(`[${version}]`));
  if (section === undefined) return [`CHANGELOG.md has no section [${version}]`];
  const [title, ...lines] = section.split('\n');
  const problems = [];
  if (!/ - \d{4}-\d{2}-\d{2}$/.test(title.trim())) problems.push(`CHANGELOG.md: [${version}] has no date`);
  if (!lines.some((line) => line.startsWith('- '))) problems.push(`CHANGELOG.md: [${version}] lists nothing`);
  const unreleased = sections.find((text) => text.startsWith('[Unreleased]')) ?? '';
  if (/^- /m.test(unreleased)) problems.push('CHANGELOG.md: entries are left under [Unreleased]');
  return problems;
}

function newestSource() {
  if (!existsSync(at('native'))) return 0;
  const files = readdirSync(at('native'), { recursive: true, withFileTypes: true }).filter((file) =>
    file.isFile(),
  );
  return Math.max(
    ...files.map((file) => statSync(path.join(file.parentPath ?? file.path, file.name)).mtimeMs),
  );
}

function prebuildProblems() {
  const missing = platformProblems(at('prebuilds'));
  if (missing.length > 0) return missing.map((problem) => `prebuilds/${problem}: npm run prebuild`);
  const newest = newestSource();
  return platformsIn(at('prebuilds'))
    .filter((name) => statSync(at('prebuilds', name, 'alexnet.node')).mtimeMs < newest)
    .map((name) => `prebuilds/${name} is older than native/: npm run prebuild`);
}

function noticeProblems() {
  const notices = read('THIRD_PARTY_NOTICES.md');
  if (notices === '') return ['THIRD_PARTY_NOTICES.md is missing'];
  const problems = NOTICED.filter((name) => !notices.includes(name)).map(
    (name) => `the notices do not name ${name}`,
  );
  const wheel = /onednn_version ([\d.]+)/.exec(read('native', 'cmake', 'onednn.cmake'))?.[1];
  if (wheel === undefined || !notices.includes(`wheel ${wheel}`)) {
    problems.push(`the notices are not of oneDNN's wheel ${wheel}`);
  }
  return problems;
}

function repositoryProblems(version) {
  const git = (...args) => output('git', ['-C', values.root, ...args]).trim();
  const problems = [];
  if (git('status', '--porcelain') !== '') problems.push('there are changes that are not committed');
  if (!git('tag', '--points-at', 'HEAD').split('\n').includes(`v${version}`)) {
    problems.push(`HEAD has no tag v${version}`);
  }
  return problems;
}

function testProblems() {
  const known = audit(values.root);
  if (known.length > 0) return known;
  return TESTS.flatMap((name) => {
    try {
      output('npm', ['run', name], { cwd: values.root, stdio: ['ignore', 'inherit', 'inherit'] });
      return [];
    } catch {
      return [`npm run ${name} fails`];
    }
  });
}

function main() {
  const { version, license } = JSON.parse(read('package.json'));
  const problems = [
    ...(license && existsSync(at('LICENSE')) ? [] : ['LICENSE is missing']),
    ...changelogProblems(version),
    ...noticeProblems(),
    ...prebuildProblems(),
    ...repositoryProblems(version),
  ];
  if (values.publish && values['skip-tests']) problems.push('--publish needs the tests');
  // Half an hour of tests for a release that is refused anyway is no use to anybody.
  if (problems.length === 0 && !values['skip-tests']) problems.push(...testProblems());
  if (problems.length > 0) {
    console.error(`alexnet ${version} is not fit to be published:\n  ${problems.join('\n  ')}`);
    process.exitCode = 1;
    return;
  }
  console.log(`alexnet ${version} can be published`);
  // Scripts are not run: what is published is what was tested.
  const publish = ['publish', '--ignore-scripts', '--access', 'public'];
  if (process.env.GITHUB_ACTIONS) publish.push('--provenance');
  if (values.publish) output('npm', publish, { cwd: values.root, stdio: 'inherit' });
}

main();
