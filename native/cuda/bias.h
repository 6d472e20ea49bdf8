// What cuDNN and cuBLASLt cannot fuse: adding a bias with ReLU, and a bias's gradient.
// Invariant: the gradient's additions are in the same order each time.
#pragma once

#include "cuda/backend.h"

namespace alexnet::cuda {

/** y += b for each channel, then ReLU, in place. b: float32 or null; `inner` elements of a channel lie
 * together. */
void AddBiasRelu(CudaBackend& backend, const Tensor& y, const float* b, int64_t channels, int64_t inner,
                 bool relu);

/** db[c] = the sum of dy's column c. dy: [rows, columns] of `dtype`. */
void SumColumns(CudaBackend& backend, const Buffer& dy, DType dtype, int64_t rows, int64_t columns,
                Tensor& db);

}  // namespace alexnet::cuda
