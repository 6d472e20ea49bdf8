// Max pooling of rows of pixels, forward and backward.
// Invariant: channels come in whole vectors; a NaN wins, among equal values the first in row-major order
// does.
#pragma once

#include "cpu/rows.h"

namespace alexnet::cpu {

/** Windows along one axis: output o sees inputs o * stride - padding .. + kernel - 1 that exist. */
struct PoolAxis {
  int64_t input, output, kernel, stride, padding;

  /** First input of output o, and one beyond its last. */
  ALEXNET_INLINE int64_t First(int64_t o) const { return o * stride < padding ? 0 : o * stride - padding; }
  ALEXNET_INLINE int64_t End(int64_t o) const {
    const int64_t end = o * stride - padding + kernel;
    return end < input ? end : input;
  }
  /** Where in output o's window input i is. */
  ALEXNET_INLINE int64_t Place(int64_t o, int64_t i) const { return i - (o * stride - padding); }
  /** First output that sees input i, and one beyond the last. */
  ALEXNET_INLINE int64_t FirstOutput(int64_t i) const {
    const int64_t beyond = i + padding - kernel;
    return beyond < 0 ? 0 : beyond / stride + 1;
  }
  ALEXNET_INLINE int64_t EndOutput(int64_t i) const {
    const int64_t end = (i + padding) / stride + 1;
    return end < output ? end : output;
  }
};

struct MaxPool {
  PoolAxis rows, columns;
  int64_t vectors;  // of a pixel

  /** Places in a window are numbered in a byte. */
  ALEXNET_INLINE bool FitsBytes() const { return rows.kernel * columns.kernel <= 256; }
};

#define ALEXNET_DECLARE(isa)                                                                               \
  namespace isa {                                                                                          \
  template <typename From, typename To>                                                                    \
  void MaxPoolRowForward(const MaxPool& pool, const Row<const From>* x, int64_t first, int64_t count,      \
                         Row<To> y, Row<uint8_t> argmax);                                                  \
  template <typename From, typename To>                                                                    \
  void MaxPoolRowBackward(const MaxPool& pool, int64_t row, Row<const From> dy, Row<const uint8_t> argmax, \
                          int64_t row_step, Row<To> dx);                                                   \
  }
ALEXNET_EACH_ISA(ALEXNET_DECLARE)
#undef ALEXNET_DECLARE

/**
 * A row of outputs. `x` points to the input rows that its windows see, `count` of them, the first of which is
 * row `first` of the windows; `argmax` takes the winner's place in the window and may be null.
 * From and To are float or BFloat16.
 */
template <typename From, typename To>
void MaxPoolRowForward(const MaxPool& pool, const Row<const From>* x, int64_t first, int64_t count, Row<To> y,
                       Row<uint8_t> argmax) {
  ALEXNET_CALL_BEST(MaxPoolRowForward(pool, x, first, count, y, argmax))
}

/** The gradient of row `row` of the input; dy and argmax are row 0 of the output, row_step the way to the
 * next. */
template <typename From, typename To>
void MaxPoolRowBackward(const MaxPool& pool, int64_t row, Row<const From> dy, Row<const uint8_t> argmax,
                        int64_t row_step, Row<To> dx) {
  ALEXNET_CALL_BEST(MaxPoolRowBackward(pool, row, dy, argmax, row_step, dx))
}

}  // namespace alexnet::cpu
