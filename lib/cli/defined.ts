// Options as the library wants them: what was not given is not there.
// Invariant: the library's defaults are the only ones.

/** A copy without the members that are undefined. */
export function defined<T extends object>(
  options: T,
): { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
} {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as never;
}
