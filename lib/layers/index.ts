// All layers, and what users need to write their own.
// Invariant: re-exports only.
export * from './activation.js';
export * from './conv2d.js';
export * from './dropout.js';
export * from './flatten.js';
export * from './gradient-check.js';
export * from './int8-plan.js';
export * from './int8.js';
export * from './layer.js';
export type * from './learned.js';
export * from './linear.js';
export * from './loss.js';
export * from './normalization.js';
export * from './parameter.js';
export * from './pooling.js';
export * from './sequential.js';
