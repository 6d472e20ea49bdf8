// An evaluation as a Markdown document: for a person, an issue, a repository.
// Invariant: all classes are in it; names cannot break its tables.
import { formatCount, formatPercent } from '../format.js';
import type { Evaluation } from './evaluate.js';

export interface EvaluationReportOptions {
  /** First line. */
  readonly title: string;
  /** How many pairs of confused classes are listed. Default 20. */
  readonly confusedPairs?: number;
}

/** Loss, accuracies, every class, the most confused classes and the surest mistakes, as Markdown. */
export function evaluationReport(evaluation: Evaluation, options: EvaluationReportOptions): string {
  const { confusion, images, loss, mistakes, top1, top5 } = evaluation;
  const { precision, recall, f1 } = confusion.macro;
  const summary = [
    ['pictures', formatCount(images)],
    ['loss', loss.toFixed(4)],
    ['top-1', formatPercent(top1)],
    ['top-5', formatPercent(top5)],
    ['precision, mean over classes', formatPercent(precision)],
    ['recall, mean over classes', formatPercent(recall)],
    ['F1, mean over classes', formatPercent(f1)],
  ];
  const classes = confusion.classes.map((one) => [
    one.className,
    formatCount(one.images),
    ...[one.precision, one.recall, one.f1].map((value) => formatPercent(value)),
  ]);
  const pairs = confusion
    .confusedPairs(options.confusedPairs ?? 20)
    .map((pair) => [pair.className, pair.takenFor, formatCount(pair.images), formatPercent(pair.share)]);
  const sure = mistakes.map((mistake) => [
    mistake.picture,
    mistake.className,
    mistake.takenFor,
    formatPercent(mistake.probability),
    formatPercent(mistake.labelProbability),
  ]);
  return [
    `# ${options.title}`,
    table(['', ''], summary),
    '## Classes',
    table(['class', 'pictures', 'precision', 'recall', 'F1'], classes),
    ...section('Most confused classes', ['class', 'taken for', 'pictures', 'of the class'], pairs),
    ...section(
      'Most certain mistakes',
      ['picture', 'class', 'taken for', 'probability', "its class's"],
      sure,
    ),
  ]
    .join('\n\n')
    .concat('\n');
}

function section(title: string, head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  return rows.length === 0 ? [] : [`## ${title}`, table(head, rows)];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), `|${' --- |'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

/** Names of files and classes, as they are and not as markup. */
function cell(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>#|]/g, (character) => `\\${character}`);
}
