// Dropout of a range of elements.
// Invariant: element i's random word is that of Philox (core/philox.h), whatever the range and the vectors.
#pragma once

#include "core/random_stream.h"
#include "cpu/rows.h"

namespace alexnet::cpu {

struct DropoutRule {
  RandomStream random;
  uint64_t threshold;  // an element stays if its word reaches it; at most 2^32
  float scale;
};

#define ALEXNET_DECLARE(isa)                                                                          \
  namespace isa {                                                                                     \
  void DropoutRange(const DropoutRule& rule, int64_t first, int64_t count, const float* x, float* y); \
  }
ALEXNET_EACH_ISA(ALEXNET_DECLARE)
#undef ALEXNET_DECLARE

/** y = scale x or 0, for `count` elements from `first` on, which is a multiple of four; x and y may be the same. */
inline void DropoutRange(const DropoutRule& rule, int64_t first, int64_t count, const float* x, float* y) {
  ALEXNET_CALL_BEST(DropoutRange(rule, first, count, x, y))
}

}  // namespace alexnet::cpu
