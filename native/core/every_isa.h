// Functions compiled for several instruction sets, of which the best that may be used runs.
// Invariant: all compute the same but for the rounding of fused multiplications and additions.
#pragma once

namespace alexnet {

/** Instruction sets that functions are compiled for. */
enum class VectorIsa { kBaseline, kAvx2, kAvx512 };

/** The best that this processor has and ONEDNN_MAX_CPU_ISA allows: what caps oneDNN's kernels caps ours. */
VectorIsa BestVectorIsa();

/** Floats of one vector of BestVectorIsa(). */
int VectorLanes();

const char* ToString(VectorIsa isa);

#if defined(__GNUC__)
#define ALEXNET_INLINE inline __attribute__((always_inline))
#else
#define ALEXNET_INLINE inline
#endif

#if defined(__x86_64__) && defined(__GNUC__)
#define ALEXNET_TARGET_AVX2 __attribute__((target("avx2,fma,f16c,bmi,bmi2,lzcnt")))
#define ALEXNET_TARGET_AVX512 \
  __attribute__((target("avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,fma,f16c,bmi,bmi2,lzcnt")))
#else
#define ALEXNET_TARGET_AVX2
#define ALEXNET_TARGET_AVX512
#endif

template <auto kFunction, typename... Arguments>
ALEXNET_TARGET_AVX512 auto OnAvx512(Arguments... arguments) {
  return kFunction(arguments...);
}

template <auto kFunction, typename... Arguments>
ALEXNET_TARGET_AVX2 auto OnAvx2(Arguments... arguments) {
  return kFunction(arguments...);
}

/** kFunction(arguments...), where kFunction is an ALEXNET_INLINE function: it is compiled for each set. */
template <auto kFunction, typename... Arguments>
auto EveryIsa(Arguments... arguments) {
  switch (BestVectorIsa()) {
    case VectorIsa::kAvx512:
      return OnAvx512<kFunction>(arguments...);
    case VectorIsa::kAvx2:
      return OnAvx2<kFunction>(arguments...);
    case VectorIsa::kBaseline:
      break;
  }
  return kFunction(arguments...);
}

}  // namespace alexnet
