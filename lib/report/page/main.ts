// Takes the state from the page itself, or, live, from the server, and has it drawn.
// Invariant: at most one drawing a frame; a lost connection is said, and everything is asked for again.

const charts: Chart[] = [];
let shown: Partial<State> = {};
let current: State | undefined;
let scheduled = false;

/** Panels and what they depend on. */
const panels: readonly (readonly [draw: (state: State) => void, ...keys: (keyof State)[]])[] = [
  [drawFilters, 'filters'],
  [drawExamples, 'examples'],
  [drawConfusion, 'confusion'],
  [drawClasses, 'classes'],
  [drawMistakes, 'mistakes'],
  [drawFacts, 'facts'],
];

function schedule(): void {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    if (current) drawAll(current);
  });
}

function drawAll(state: State): void {
  document.title = state.title;
  byId('title').textContent = state.title;
  drawStatus(state);
  drawTiles(state);
  drawEpochs(state);
  drawNotices(state);
  // An evaluation has none.
  byId('curves').hidden = state.status === 'evaluated';
  for (const chart of charts) chart.draw(state);
  for (const [draw, ...keys] of panels) {
    if (keys.some((key) => shown[key] !== state[key])) draw(state);
  }
  shown = { ...state };
}

function apply({ set, append }: Patch): void {
  if (!current) return;
  const state = Object.assign(current, set);
  for (const [name, values] of Object.entries(append.steps ?? {})) {
    state.steps[name as keyof State['steps']].push(...values);
  }
  state.epochs.push(...(append.epochs ?? []));
  state.notices.push(...(append.notices ?? []));
}

function live(): void {
  const source = new EventSource('/events');
  source.addEventListener('state', (event: MessageEvent<string>) => {
    current = JSON.parse(event.data) as State;
    schedule();
  });
  source.addEventListener('patches', (event: MessageEvent<string>) => {
    for (const patch of JSON.parse(event.data) as Patch[]) apply(patch);
    schedule();
  });
  source.addEventListener('error', () => {
    const over = current && ['completed', 'stopped', 'failed'].includes(current.status);
    if (over) source.close();
    byId('status').append(over ? ' · the training has ended' : ' · connection lost, trying again');
  });
}

for (const spec of chartSpecs) charts.push(new Chart(spec, byId('charts')));
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const chart of charts) chart.redraw();
});
const embedded = JSON.parse(byId('state').textContent ?? 'null') as State | null;
if (embedded) {
  current = embedded;
  schedule();
} else live();
