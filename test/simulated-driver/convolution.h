// Convolution with groups, forward and backward, on operands of any strides.
// Invariant: sums are in double and in one order; an output element is rounded once, after its epilogue.
#pragma once

#include <cstdint>
#include <functional>

#include "numbers.h"

namespace simulation {

/** [N, C, H, W], or [K, C / groups, R, S] of weights. Strides in elements. */
struct Tensor4 {
  Number type = Number::kFloat32;
  int64_t dims[4] = {1, 1, 1, 1};
  int64_t strides[4] = {0, 0, 0, 0};

  /** Elements from the first to the last. */
  int64_t Span() const;
  int64_t Offset(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return n * strides[0] + c * strides[1] + h * strides[2] + w * strides[3];
  }
};

struct Window {
  int64_t pad_h, pad_w, stride_h, stride_w, dilation_h, dilation_w;
};

struct ConvolutionProblem {
  Tensor4 x, w, y;
  Window window;

  int64_t groups() const { return x.dims[1] / w.dims[1]; }
};

/** What becomes of a sum before it is stored: (sum, n, c, h, w) -> value. */
using Epilogue = std::function<double(double sum, int64_t n, int64_t c, int64_t h, int64_t w)>;

void ConvolveForward(const ConvolutionProblem& problem, const void* x, const void* w, void* y,
                     const Epilogue& epilogue);
void ConvolveBackwardData(const ConvolutionProblem& problem, const void* w, const void* dy, void* dx);
void ConvolveBackwardFilter(const ConvolutionProblem& problem, const void* x, const void* dy, void* dw);

}  // namespace simulation
