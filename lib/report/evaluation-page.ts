// An evaluation as one HTML file that opens anywhere, without a network.
// Invariant: the file is whole at any moment; it shows what the evaluation says, and the pictures that it names.
import type { ImageDataset } from '../data/index.js';
import { writeFileAtomically } from '../io/atomic-file.js';
import type { Evaluation } from '../train/index.js';
import { classPanel, confusionPanel, metricsPanel, MistakePictures } from './evaluation-panels.js';
import { renderPage } from './render-page.js';
import { emptyState } from './run-record.js';

export interface EvaluationPageOptions {
  /** What was evaluated; its pictures are read again. */
  readonly dataset: ImageDataset;
  readonly title: string;
  /** What was evaluated on what, in names and values. Default: none. */
  readonly facts?: readonly (readonly [name: string, value: string])[];
}

/**
 * Writes loss and accuracies, every class, what was taken for what, and the surest mistakes with their pictures: as many
 * as `evaluate` was told to keep. Of more than 200 classes the 200 that fare worst are listed.
 * @throws FileWriteError
 */
export async function writeEvaluationPage(
  file: string,
  evaluation: Evaluation,
  { dataset, title, facts = [] }: EvaluationPageOptions,
): Promise<void> {
  const { confusion, mistakes } = evaluation;
  const { html } = await renderPage({
    ...emptyState({ title, facts }),
    status: 'evaluated',
    evaluation: metricsPanel(evaluation),
    classes: classPanel(confusion, 0),
    confusion: confusionPanel(confusion, 0),
    mistakes: await new MistakePictures(dataset).panel(mistakes, 0),
  });
  const bytes = Buffer.from(html);
  await writeFileAtomically(file, [bytes], { byteLength: bytes.length });
}
