// What type tests say: a type is exactly another.
// Invariant: types only; a wrong claim fails the build, not a test run.

/** Whether two types are the same, `any` and unions told apart. */
export type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** Claims that a type is `true`. */
export type Expect<T extends true> = T;
