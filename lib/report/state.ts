// What a page shows of a training or an evaluation, as plain data: report and dashboard draw nothing else.
// Invariant: bounded, however long the training; JSON as it is. Types alone, which the page's scripts share.

/** What is kept of steps; times are milliseconds a step. */
export type StepColumn =
  | 'step'
  | 'loss'
  | 'top1'
  | 'top5'
  | 'learningRate'
  | 'imagesPerSecond'
  | 'dataWaitMs'
  | 'submitMs'
  | 'deviceWaitMs'
  | 'handlersMs'
  | 'inUseBytes';

/** A curve a name, all of one length: [i] of each belongs together. */
export type StepColumns = Record<StepColumn, number[]>;

export interface EpochRow {
  readonly epoch: number;
  readonly step: number;
  readonly trainLoss: number;
  readonly trainTop1: number;
  readonly trainTop5: number;
  /** null: there is no validation set. */
  readonly validationLoss: number | null;
  readonly validationTop1: number | null;
  readonly validationTop5: number | null;
  readonly learningRate: number;
  readonly seconds: number;
  readonly best: boolean;
}

export interface Notice {
  readonly kind: 'warning' | 'learning-rate';
  readonly epoch: number;
  readonly text: string;
}

/** Where training is. */
export interface RunProgress {
  readonly what: string;
  readonly done: number;
  readonly total: number;
  readonly epoch: number;
  readonly epochs: number;
  readonly imagesPerSecond: number;
  readonly remainingMs: number;
  readonly memoryBytes: number;
}

/** A picture in the page: bytes as a data URI. */
export interface Picture {
  readonly src: string;
  readonly width: number;
  readonly height: number;
}

export interface FilterPanel extends Picture {
  readonly epoch: number;
  readonly layer: string;
  readonly kernels: number;
  readonly kernelSize: number;
}

export interface NamedPicture extends Picture {
  readonly name: string;
  readonly className: string;
}

/** A picture that was held out, what the network says of it, and training pictures that look alike to it. */
export interface Example extends NamedPicture {
  /** Best first. */
  readonly predictions: readonly { readonly className: string; readonly probability: number }[];
  /** Nearest first; empty before they are looked for, at the end of training. */
  readonly neighbours: readonly (NamedPicture & { readonly distance: number })[];
}

export interface ExamplePanel {
  readonly epoch: number;
  readonly examples: readonly Example[];
  /** Layer whose outputs are compared, and how many training pictures; absent before neighbours are looked for. */
  readonly compared?: { readonly layer: string; readonly pictures: number };
}

export interface ConfusionPanel {
  /** 0: it is an evaluation of its own. So it is in the panels below. */
  readonly epoch: number;
  readonly classNames: readonly string[];
  /** Triples of label, predicted class and pictures: all pairs that occurred, or the most frequent ones of very many. */
  readonly entries: readonly (readonly [number, number, number])[];
}

/** How each class fared. */
export interface ClassPanel {
  readonly epoch: number;
  /** All that have pictures. */
  readonly classes: number;
  /** In the order of the classes; of very many, the worst ones, worst first. */
  readonly rows: readonly {
    readonly className: string;
    readonly images: number;
    readonly correct: number;
    /** null: nothing was taken for it. */
    readonly precision: number | null;
    readonly recall: number;
    readonly f1: number;
  }[];
}

export interface MistakePanel {
  readonly epoch: number;
  /** The surest first. */
  readonly mistakes: readonly (NamedPicture & {
    readonly takenFor: string;
    /** 0..1, of the class that it was taken for. */
    readonly probability: number;
    /** 0..1, of its own. */
    readonly labelProbability: number;
  })[];
}

/** Of an evaluation of its own; precision, recall and F1 are means over the classes. */
export interface MetricsPanel {
  readonly images: number;
  readonly loss: number;
  readonly top1: number;
  readonly top5: number;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

export type RunStatus =
  'preparing' | 'training' | 'validating' | 'completed' | 'stopped' | 'failed' | 'evaluated';

export interface RunState {
  readonly title: string;
  /** ISO 8601. */
  readonly startedAt: string;
  updatedAt: string;
  /** What is trained on what, in names and values. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  status: RunStatus;
  /** Why it failed. */
  failure: string | null;
  progress: RunProgress | null;
  steps: StepColumns;
  epochs: EpochRow[];
  notices: Notice[];
  filters: FilterPanel | null;
  examples: ExamplePanel | null;
  confusion: ConfusionPanel | null;
  classes: ClassPanel | null;
  mistakes: MistakePanel | null;
  evaluation: MetricsPanel | null;
}

/** What has changed: whole new values, and what is to be put at the end of lists and curves. */
export interface RunPatch {
  readonly set: Partial<RunState>;
  readonly append: {
    readonly steps?: StepColumns;
    readonly epochs?: readonly EpochRow[];
    readonly notices?: readonly Notice[];
  };
}
