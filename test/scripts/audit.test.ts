// What the release script makes of npm's answer about vulnerabilities.
// Invariant: only a report that counts none lets a release through.
import assert from 'node:assert/strict';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { packageDirectory } from '../../lib/native/addon.js';

interface Script {
  auditProblems(text: string): string[];
}

describe("npm's audit, before a release", () => {
  let script: Script;
  before(async () => {
    const file = path.join(packageDirectory, 'scripts', 'package', 'audit.mjs');
    script = (await import(pathToFileURL(file).href)) as Script;
  });
  const problemsOf = (report: unknown) => script.auditProblems(JSON.stringify(report)).join();

  it('is content with a report that counts nothing', () => {
    assert.equal(problemsOf({ vulnerabilities: {}, metadata: { vulnerabilities: { total: 0 } } }), '');
  });

  it('names the packages that have a vulnerability', () => {
    const report = { vulnerabilities: { lmdb: {}, jimp: {} }, metadata: { vulnerabilities: { total: 2 } } };
    assert.match(problemsOf(report), /vulnerabilities in lmdb, jimp$/);
  });

  it('refuses when the registry does not answer the question', () => {
    const report = { message: '405 Method Not Allowed', statusCode: 405, error: { summary: '' } };
    assert.match(problemsOf(report), /could not be run: 405 Method Not Allowed/);
    assert.match(problemsOf({}), /could not be run: it gave no counts/);
  });

  it('refuses when npm prints nothing, or something else', () => {
    assert.match(script.auditProblems('').join(), /could not be run: it printed nothing/);
    assert.match(script.auditProblems('npm ERR!').join(), /could not be run: npm ERR!/);
  });
});
