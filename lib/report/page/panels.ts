// All of the page but its curves: tiles, epochs, kernels, predictions, confusion, notices.
// Invariant: a panel is shown when it has something to show, and drawn again only when that has changed.

const statusWords: Readonly<Record<State['status'], string>> = {
  preparing: 'preparing',
  training: 'training',
  validating: 'validating',
  completed: 'completed',
  stopped: 'stopped early',
  failed: 'failed',
  evaluated: 'evaluated',
};

function drawStatus(state: State): void {
  const { status, failure, progress, startedAt, updatedAt } = state;
  const took = (Date.parse(updatedAt) - Date.parse(startedAt)) / 1000;
  const word = element('b', { class: status }, [statusWords[status]]);
  const started = new Date(startedAt).toLocaleString('sv').slice(0, 16);
  const when = status === 'evaluated' ? started : `started ${started} · ${duration(took)}`;
  byId('status').replaceChildren(word, ` · ${when}`);
  byId('failure').textContent = failure ?? '';
  byId('failure').hidden = failure === null;
  const running = progress !== null && ['preparing', 'training', 'validating'].includes(status);
  byId('progress').hidden = !running;
  if (!running) return;
  const { what, done, total, epoch, epochs, remainingMs } = progress;
  byId<HTMLProgressElement>('progress-bar').value = total > 0 ? done / total : 0;
  const where = epoch > 0 ? `epoch ${epoch} of ${epochs}, ` : '';
  const left = remainingMs > 0 ? ` · ${duration(remainingMs / 1000)} left` : '';
  byId('progress-text').textContent = `${where}${what} ${count(done)} of ${count(total)}${left}`;
}

function drawTiles(state: State): void {
  const { epochs, progress, steps } = state;
  const last = epochs.at(-1);
  const best = epochs.findLast((row) => row.best);
  const tiles: [name: string, value: string][] = state.evaluation ? metricTiles(state.evaluation) : [];
  if (progress) tiles.push(['epoch', `${progress.epoch} of ${progress.epochs}`]);
  const loss = steps.loss.at(-1);
  if (loss !== undefined) tiles.push(['training loss', nats(runningMean(steps.loss).at(-1) ?? loss)]);
  if (last && last.validationTop1 !== null) {
    tiles.push(
      ['validation top-1', percent(last.validationTop1)],
      ['validation top-5', percent(last.validationTop5 ?? NaN)],
    );
  }
  if (best && best.validationTop1 !== null) {
    tiles.push(['best top-1', percent(best.validationTop1)]);
  }
  const rate = steps.imagesPerSecond.at(-1);
  if (rate !== undefined) tiles.push(['images a second', number(rate)]);
  const memory = steps.inUseBytes.at(-1);
  if (memory !== undefined) tiles.push(['device memory', mebibytes(memory)]);
  byId('tiles').replaceChildren(...tiles.map(([name, value]) => pair(name, value)));
}

function metricTiles(metrics: NonNullable<State['evaluation']>): [name: string, value: string][] {
  const { images, loss, top1, top5, precision, recall, f1 } = metrics;
  const shares = Object.entries({ 'top-1': top1, 'top-5': top5, precision, recall, F1: f1 });
  return [
    ['pictures', count(images)],
    ['loss', nats(loss)],
    ...shares.map(([name, value]): [string, string] => [name, percent(value)]),
  ];
}

function pair(name: string, value: string): HTMLElement {
  return element('div', {}, [element('dt', {}, [name]), element('dd', {}, [value])]);
}

function drawEpochs({ epochs }: State): void {
  byId('epochs').hidden = epochs.length === 0;
  const percentOr = (value: number | null) => (value === null ? '–' : percent(value));
  const heads = [
    'epoch',
    'training loss',
    'top-1',
    'validation loss',
    'top-1',
    'top-5',
    'learning rate',
    'time',
  ];
  const rows = epochs.map((row) => [
    String(row.epoch),
    nats(row.trainLoss),
    percent(row.trainTop1),
    row.validationLoss === null ? '–' : nats(row.validationLoss),
    percentOr(row.validationTop1),
    percentOr(row.validationTop5),
    number(row.learningRate),
    duration(row.seconds),
  ]);
  const table = tableOf(heads, rows);
  const best = epochs.findLastIndex((row) => row.best);
  table.tBodies[0]?.rows[best]?.classList.add('best');
  byId('epochs-table').replaceChildren(...table.childNodes);
}

function drawFilters({ filters }: State): void {
  byId('filters').hidden = filters === null;
  if (!filters) return;
  const { layer, kernels, kernelSize, epoch, src, width, height } = filters;
  const image = byId<HTMLImageElement>('filters-image');
  Object.assign(image, { src, width, height });
  image.alt = `The ${kernels} kernels of ${layer} as pictures of ${kernelSize} by ${kernelSize} pixels`;
  byId('filters-caption').textContent =
    `The ${kernels} kernels of ${layer}, ${kernelSize}x${kernelSize}x3, after epoch ${epoch}, as in Figure 3 of ` +
    `the paper. All share one scale: the smallest weight is black, the largest is full colour.`;
}

function drawExamples({ examples }: State): void {
  byId('examples').hidden = examples === null || examples.examples.length === 0;
  if (!examples) return;
  const { epoch, compared } = examples;
  const near = compared
    ? ` Below each, those of ${count(compared.pictures)} training pictures whose ${compared.layer} output is nearest, ` +
      'with their distance, as in Figure 4 of the paper.'
    : ' Nearest training pictures are looked for at the end of training.';
  byId('examples-caption').textContent =
    `After epoch ${epoch}. Bars are probabilities; the right class is green.${near}`;
  byId('examples-list').replaceChildren(...examples.examples.map(exampleCard));
}

function exampleCard({ src, name, className, predictions, neighbours }: Example): HTMLElement {
  const bars = predictions.map((prediction) => bar(prediction, prediction.className === className));
  const text = element('div', {}, [
    element('h3', { title: className }, [className]),
    element('ol', { class: 'bars' }, bars),
  ]);
  const image = element('img', { src, alt: `${name}, of class ${className}`, title: name });
  const top = element('div', { class: 'example-top' }, [image, text]);
  const list = element(
    'ol',
    { class: 'neighbours', 'aria-label': 'Nearest training pictures' },
    neighbours.map((other) => {
      const right = other.className === className ? 'right' : '';
      const picture = element('img', { src: other.src, alt: other.name, title: other.name });
      const label = element('span', { title: other.className }, [other.className]);
      return element('li', { class: right }, [picture, label, number(other.distance)]);
    }),
  );
  const card = element('article', { class: 'card example' }, [top]);
  if (neighbours.length > 0) card.append(list);
  return card;
}

function bar(prediction: { className: string; probability: number }, right: boolean): HTMLElement {
  const { className, probability } = prediction;
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('aria-hidden', 'true');
  const rect = document.createElementNS('http://www.w3.org/2000/svg', 'rect');
  rect.setAttribute('width', `${100 * probability}%`);
  rect.setAttribute('height', '100%');
  svg.append(rect);
  return element('li', { class: right ? 'right' : '' }, [
    svg,
    element('span', { title: className }, [className]),
    element('span', {}, [percent(probability)]),
  ]);
}

/** What a panel is of, where that is not all of the page. */
function evaluated(epoch: number): string {
  return epoch === 0 ? '' : `Validation after epoch ${epoch}. `;
}

/** A table for few classes; for many, the pairs that were confused most. */
const MOST_TABLE_CLASSES = 30;
const MOST_LISTED_PAIRS = 30;

function drawConfusion({ confusion }: State): void {
  byId('confusion').hidden = confusion === null;
  if (!confusion) return;
  const { classNames, entries, epoch } = confusion;
  const totals = classNames.map(() => 0);
  for (const [label, , pictures] of entries) totals[label] = (totals[label] ?? 0) + pictures;
  const small = classNames.length <= MOST_TABLE_CLASSES;
  byId('confusion-caption').textContent = small
    ? `${evaluated(epoch)}A row a class, a column for each class that its pictures were taken for. Shades are shares of ` +
      'the row.'
    : `${evaluated(epoch)}The classes that were taken for another most often.`;
  byId('confusion-matrix').replaceChildren(
    small ? matrixOf(classNames, entries, totals) : pairsOf(classNames, entries, totals),
  );
}

type Entries = NonNullable<State['confusion']>['entries'];

function matrixOf(classNames: readonly string[], entries: Entries, totals: readonly number[]): HTMLElement {
  const counts = new Map(entries.map(([label, predicted, pictures]) => [`${label} ${predicted}`, pictures]));
  const heads = ['class', ...classNames].map((name) =>
    element('th', { scope: 'col', title: name }, breakable(name)),
  );
  const rows = classNames.map((name, label) => {
    const cells = classNames.map((_, predicted) => {
      const pictures = counts.get(`${label} ${predicted}`) ?? 0;
      const share = pictures / (totals[label] || 1);
      const cell = element('td', {}, [pictures === 0 ? '' : count(pictures)]);
      // Through the style object: a style attribute is what the page's policy forbids.
      cell.style.backgroundColor = `rgb(var(--heat) / ${share})`;
      if (share > 0.55) cell.style.color = 'var(--card)';
      return cell;
    });
    return element('tr', {}, [element('th', { scope: 'row', title: name }, [name]), ...cells]);
  });
  const head = element('thead', {}, [element('tr', {}, heads)]);
  return element('table', { class: 'matrix' }, [head, element('tbody', {}, rows)]);
}

/** With the places at which a long name may go on in the next line. */
function breakable(name: string): Child[] {
  return name.split(/(?<=[_/.-])/).flatMap((part, i) => (i === 0 ? [part] : [element('wbr'), part]));
}

function pairsOf(classNames: readonly string[], entries: Entries, totals: readonly number[]): HTMLElement {
  const wrong = entries.filter(([label, predicted]) => label !== predicted);
  const rows = [...wrong]
    .sort((a, b) => b[2] - a[2])
    .slice(0, MOST_LISTED_PAIRS)
    .map(([label, predicted, pictures]) => [
      classNames[label] ?? '',
      classNames[predicted] ?? '',
      count(pictures),
      percent(pictures / (totals[label] || 1)),
    ]);
  return tableOf(['class', 'taken for', 'pictures', 'share of the class'], rows);
}

function drawClasses({ classes }: State): void {
  byId('classes').hidden = classes === null;
  if (!classes) return;
  const { epoch, classes: all, rows } = classes;
  const some = rows.length < all ? ` The ${count(rows.length)} of ${count(all)} with the lowest F1.` : '';
  byId('classes-caption').textContent =
    `${evaluated(epoch)}Precision is the share of what was taken for the class that is of it, recall the share of the ` +
    `class that was taken for it, F1 their harmonic mean.${some}`;
  const table = tableOf(
    ['class', 'right', 'precision', 'recall', 'F1'],
    rows.map(({ className, images, correct, precision, recall, f1 }) => [
      ...[className, `${count(correct)} of ${count(images)}`],
      ...[precision === null ? '–' : percent(precision)],
      ...[percent(recall), percent(f1)],
    ]),
  );
  byId('classes-table').replaceChildren(...table.childNodes);
}

function drawMistakes({ mistakes }: State): void {
  byId('mistakes').hidden = mistakes === null || mistakes.mistakes.length === 0;
  if (!mistakes) return;
  byId('mistakes-caption').textContent =
    `${evaluated(mistakes.epoch)}Pictures that were taken for another class with the highest probability: mislabelled, ` +
    'or not understood. Red: what it was taken for. Green: what it is.';
  const items = mistakes.mistakes.map((mistake) => {
    const { src, name, className, takenFor, probability, labelProbability } = mistake;
    const image = element('img', { src, alt: `${name}, of class ${className}`, title: name });
    const line = (rank: string, text: string, share: number) =>
      element('p', { class: rank, title: text }, [
        element('span', {}, [text]),
        element('b', {}, [percent(share)]),
      ]);
    return element('li', { class: 'card' }, [
      image,
      line('wrong', takenFor, probability),
      line('right', className, labelProbability),
    ]);
  });
  byId('mistakes-list').replaceChildren(...items);
}

function drawNotices({ notices }: State): void {
  byId('notices').hidden = notices.length === 0;
  const items = notices.map(({ kind, epoch, text }) =>
    element('li', { class: kind }, [epoch > 0 ? `epoch ${epoch}: ${text}` : text]),
  );
  byId('notices-list').replaceChildren(...items);
}

function drawFacts({ facts, status }: State): void {
  byId('facts-heading').textContent = status === 'evaluated' ? 'What was evaluated' : 'What was trained';
  const items = facts.flatMap(([name, value]) => [element('dt', {}, [name]), element('dd', {}, [value])]);
  byId('facts').replaceChildren(...items);
}
