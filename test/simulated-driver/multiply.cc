// The inner loop of the matrix multiplication: a panel of 6 x 16 sums in vector registers.
// Invariant: each sum is taken in the order of k.
#include "multiply.h"

namespace simulation {

void MultiplyPanels(int64_t depth, const double* a, const double* b, double* c) {
  using Vector = double __attribute__((vector_size(64), aligned(8), may_alias));
  constexpr int kVectors = kPanelColumns / 8;
  Vector sums[kPanelRows][kVectors];
  for (int i = 0; i < kPanelRows; ++i) {
    for (int v = 0; v < kVectors; ++v) sums[i][v] = *reinterpret_cast<Vector*>(&c[i * kTileColumns + v * 8]);
  }
  for (int64_t k = 0; k < depth; ++k, a += kPanelRows, b += kPanelColumns) {
    const Vector b0 = *reinterpret_cast<const Vector*>(b);
    const Vector b1 = *reinterpret_cast<const Vector*>(b + 8);
    for (int i = 0; i < kPanelRows; ++i) {
      sums[i][0] += a[i] * b0;
      sums[i][1] += a[i] * b1;
    }
  }
  for (int i = 0; i < kPanelRows; ++i) {
    for (int v = 0; v < kVectors; ++v) *reinterpret_cast<Vector*>(&c[i * kTileColumns + v * 8]) = sums[i][v];
  }
}

}  // namespace simulation
