// Whether npm knows of vulnerabilities in what is installed with the package.
// Invariant: no answer is not a clean one: a registry that cannot be asked is a problem too.
import { spawnSync } from 'node:child_process';

/** Reasons not to publish, from what `npm audit --json` printed. */
export function auditProblems(text) {
  let report;
  try {
    report = JSON.parse(text);
  } catch {
    report = { message: text.trim() || 'it printed nothing' };
  }
  const total = report.metadata?.vulnerabilities?.total;
  if (typeof total !== 'number') {
    const reason = report.message ?? report.error?.summary ?? 'it gave no counts';
    return [`npm audit could not be run: ${reason}. Publish from where the registry answers it`];
  }
  if (total === 0) return [];
  return [`npm audit: vulnerabilities in ${Object.keys(report.vulnerabilities ?? {}).join(', ') || total}`];
}

/** The same, of a checkout with its package-lock.json. */
export function audit(root) {
  const { stdout, error } = spawnSync('npm', ['audit', '--omit=dev', '--json'], {
    cwd: root,
    encoding: 'utf8',
  });
  return auditProblems(error ? error.message : stdout);
}
