// Turns work that reports through a callback into a generator of its reports.
// Invariant: every report is yielded, in order, before the result or the failure comes out.

/** Runs the work, and yields what it reports; returns its result. */
export async function* reporting<Event, Result>(
  work: (report: (event: Event) => void) => Promise<Result>,
): AsyncGenerator<Event, Result> {
  const events: Event[] = [];
  let wake = () => {};
  let ended = false;
  const result = work((event) => {
    events.push(event);
    wake();
  }).finally(() => {
    ended = true;
    wake();
  });
  // It is awaited below; until then a failure must not count as unhandled.
  result.catch(() => {});
  for (;;) {
    yield* events.splice(0);
    if (ended) break;
    await new Promise<void>((resolve) => {
      wake = resolve;
    });
  }
  yield* events.splice(0);
  return result;
}
