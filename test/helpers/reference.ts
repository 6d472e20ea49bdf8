// The float64 references that every backend is held against, one file a subject under reference/.
// Invariant: slow and readable, forward and backward from the formula; nothing of lib/ is imported.
export * from './reference/activations.js';
export * from './reference/augment.js';
export * from './reference/conv.js';
export * from './reference/conv-samples.js';
export * from './reference/float-formats.js';
export * from './reference/int8.js';
export * from './reference/linear.js';
export * from './reference/loss.js';
export * from './reference/lrn.js';
export * from './reference/nd-array.js';
export * from './reference/pool.js';
export * from './reference/random.js';
export * from './reference/sgd.js';
