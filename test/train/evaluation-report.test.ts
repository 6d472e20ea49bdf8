// The Markdown of an evaluation.
// Invariant: the evaluation is made by hand; what counts is that numbers and names arrive, and that names stay text.
import assert from 'node:assert/strict';
import { ConfusionMatrix, evaluationReport, type Evaluation } from '../../lib/train/index.js';

function made(): Evaluation {
  const confusion = new ConfusionMatrix(['tabby|cat', '<b>dog</b>']);
  for (const [label, predicted] of [
    [0, 0],
    [0, 1],
    [1, 1],
  ] as const) {
    confusion.add(label, predicted);
  }
  const mistake = { index: 1, picture: 'cats/a_b.png', className: 'tabby|cat', takenFor: '<b>dog</b>' };
  return {
    ...{ images: 3, loss: 0.51234, top1: 2 / 3, top5: 1, confusion },
    mistakes: [{ ...mistake, probability: 0.9, labelProbability: 0.1 }],
  };
}

describe('evaluationReport', () => {
  it('has the sums, every class, the confused pairs and the mistakes', () => {
    const report = evaluationReport(made(), { title: 'run on pictures' });
    assert.match(report, /^# run on pictures\n/);
    assert.match(report, /\| loss \| 0\.5123 \|\n\| top-1 \| 66\.7 % \|\n\| top-5 \| 100\.0 % \|/);
    assert.ok(report.includes('| tabby\\|cat | 2 | 100.0 % | 50.0 % | 66.7 % |'));
    assert.ok(report.includes('| tabby\\|cat | \\<b\\>dog\\</b\\> | 1 | 50.0 % |'));
    assert.ok(report.includes('| cats/a\\_b.png | tabby\\|cat | \\<b\\>dog\\</b\\> | 90.0 % | 10.0 % |'));
  });

  it('leaves out what there is none of', () => {
    const confusion = new ConfusionMatrix(['a']);
    confusion.add(0, 0);
    const all = { images: 1, loss: 0, top1: 1, top5: 1, confusion, mistakes: [] };
    assert.doesNotMatch(evaluationReport(all, { title: 't' }), /confused|mistakes/);
  });
});
