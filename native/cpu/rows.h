// Rows of pixels as kernels that are written in vectors see them, and how the kernels for one instruction set
// are found.
// Invariant: free of oneDNN and of anything that has code of its own: files that include this are compiled
// with flags that not every processor understands.
#pragma once

#include <cstdint>

#include "core/every_isa.h"
#include "cpu/bfloat16.h"

namespace alexnet::cpu {

/** Vector v of pixel p begins at data + p * pixel + vectors[v]. */
template <typename T>
struct Row {
  T* data;
  int64_t pixel;
  const int64_t* vectors;
};

}  // namespace alexnet::cpu

// DECLARE(isa) for each namespace that CMake compiles such files in, and a call of the best one's function.
#if defined(__x86_64__) || defined(_M_X64)
#define ALEXNET_EACH_ISA(DECLARE) DECLARE(baseline) DECLARE(avx2) DECLARE(avx512)
#define ALEXNET_CALL_BEST(...)      \
  switch (BestVectorIsa()) {        \
    case VectorIsa::kAvx512:        \
      return avx512::__VA_ARGS__;   \
    case VectorIsa::kAvx2:          \
      return avx2::__VA_ARGS__;     \
    case VectorIsa::kBaseline:      \
      return baseline::__VA_ARGS__; \
  }
#else
#define ALEXNET_EACH_ISA(DECLARE) DECLARE(baseline)
#define ALEXNET_CALL_BEST(...) return baseline::__VA_ARGS__;
#endif
