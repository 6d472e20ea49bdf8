// Response normalisation of rows of pixels, for AlexNet's window of 5 channels and power of -3/4.
// Invariant: channels come in whole vectors; a window does not cross the border between two groups.
#pragma once

#include "cpu/rows.h"

namespace alexnet::cpu {

/** What a row's normalisation depends on. */
struct LrnRow {
  float alpha, k;     // s = k + alpha * sum of squares
  int64_t width;      // pixels
  int64_t vectors;    // of a pixel
  int64_t per_group;  // vectors of a group of channels
  float* scratch;     // backward: two vectors for each of a group, and one more; a thread's own
};

#define ALEXNET_DECLARE(isa)                                                                            \
  namespace isa {                                                                                       \
  template <typename From, typename To>                                                                 \
  void LrnRowForward(const LrnRow& lrn, Row<const From> x, Row<To> y);                                  \
  template <typename T, typename Gradient>                                                              \
  void LrnRowBackward(const LrnRow& lrn, Row<const T> x, Row<const Gradient> dy, Row<T> dx, bool relu); \
  }
ALEXNET_EACH_ISA(ALEXNET_DECLARE)
#undef ALEXNET_DECLARE

/** y = x s^-3/4. From and To are float or BFloat16. */
template <typename From, typename To>
void LrnRowForward(const LrnRow& lrn, Row<const From> x, Row<To> y) {
  ALEXNET_CALL_BEST(LrnRowForward(lrn, x, y))
}

/** dx = dy s^-3/4 - 3/2 alpha x * sum of dy x s^-7/4; with `relu`, 0 where x is not positive. */
template <typename T, typename Gradient>
void LrnRowBackward(const LrnRow& lrn, Row<const T> x, Row<const Gradient> dy, Row<T> dx, bool relu) {
  ALEXNET_CALL_BEST(LrnRowBackward(lrn, x, dy, dx, relu))
}

}  // namespace alexnet::cpu
