// Launches of the two kernels.
// Invariant: a sum's chunks depend on the shape alone.
#include "cuda/bias.h"

#include <algorithm>

namespace alexnet::cuda {
namespace {

constexpr int64_t kColumns = 32;  // of a block
constexpr int64_t kRowsPerChunk = 512, kMostChunks = 64;

}  // namespace

void AddBiasRelu(CudaBackend& backend, const Tensor& y, const float* b, int64_t channels, int64_t inner,
                 bool relu) {
  if (b == nullptr && !relu) return;
  backend.gpu().Launch(Typed("bias_relu", y.dtype), backend.gpu().Spread(y.elements()), AsIs(y).data(), b,
                       Index(y.elements()), Index(channels), Index(inner), int32_t{relu});
}

void SumColumns(CudaBackend& backend, const Buffer& dy, DType dtype, int64_t rows, int64_t columns,
                Tensor& db) {
  Index(rows * columns);
  Grid grid;
  grid.x = static_cast<unsigned>((columns + kColumns - 1) / kColumns);
  grid.y = static_cast<unsigned>(std::clamp<int64_t>(rows / kRowsPerChunk, 1, kMostChunks));
  const Buffer partials = {Order::kRowMajor,
                           backend.Allocate(grid.y * static_cast<size_t>(columns) * sizeof(float))};
  FloatOutput sums(backend, db, Order::kRowMajor);
  backend.gpu().Launch(Typed("column_sums", dtype), grid, dy.data(), partials.data(), Index(rows),
                       Index(columns));
  backend.gpu().Launch("finish_columns", backend.gpu().Spread(columns), partials.data(), sums.data(),
                       int64_t{grid.y}, columns);
  sums.Finish();
}

}  // namespace alexnet::cuda
