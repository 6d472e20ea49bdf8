// The documentation's TypeScript examples, compiled as a user would have them in an editor.
// Invariant: an example that does not compile fails the test that names its file and line.
import assert from 'node:assert/strict';
import * as library from '../../lib/index.js';
import { compileExamples, examplesOf, type Compiled } from './compile.js';

const documents = ['README.md', 'docs/guide.md', 'docs/errors.md'];
/** Names that an example takes from the text around it: its data, and what earlier examples imported. */
const context = [
  ...Object.keys(library).map((name) => `declare const ${name}: typeof import('alexnet').${name};`),
  "declare const device: import('alexnet').Device;",
  "declare const model: import('alexnet').Model;",
  "declare const dataset: import('alexnet').ImageDataset;",
  "declare const train: import('alexnet').ImageDataset;",
  "declare const validation: import('alexnet').ImageDataset;",
  "declare const progress: import('alexnet').Progress;",
  "declare const trainer: import('alexnet').Trainer;",
  'declare const dir: string;',
].join('\n');

const examples = documents.flatMap(examplesOf);

describe('The documentation', function () {
  this.timeout(120_000);
  let compiled: Compiled[] = [];

  before(() => {
    compiled = compileExamples(examples, context);
  });

  it('has examples', () => {
    assert.ok(documents.every((document) => examplesOf(document).length > 0));
  });

  for (const [i, { name }] of examples.entries()) {
    it(`has a working example at ${name}`, () => {
      assert.deepEqual(compiled[i]?.messages, []);
    });
  }

  it('would notice an example that does not compile', () => {
    const broken = { name: 'broken', code: "import { openDevice } from 'alexnet';\nopenDevice(1);\n" };
    assert.equal(compileExamples([broken], context)[0]?.messages.length, 1);
  });
});
