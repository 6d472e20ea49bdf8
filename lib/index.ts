// The public API, and nothing else.
// Invariant: re-exports only.
export * from './errors.js';
export { formatBytes, formatCount, formatDuration, formatPercent, formatTable } from './format.js';
export { addonPath } from './native/addon.js';
export { systemLibc } from './native/load-failure.js';
export * from './tensor/device.js';
export * from './tensor/dtype.js';
export * from './tensor/shape.js';
export * from './tensor/tensor.js';
export * as ops from './ops/index.js';
export * from './layers/index.js';
export * from './models/index.js';
export * from './optim/index.js';
export * from './data/index.js';
export * from './train/index.js';
export * from './profile/index.js';
export * from './report/index.js';
