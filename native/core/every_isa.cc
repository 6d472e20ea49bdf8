// Which instruction set functions run with.
// Invariant: decided once, at the first call.
#include "core/every_isa.h"

#include <cstdlib>
#include <string>

namespace alexnet {
namespace {

VectorIsa OfProcessor() {
#if defined(__x86_64__) && defined(__GNUC__)
  const auto has_avx2 = [] {
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
  };
  const auto has_avx512 = [] {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
  };
  __builtin_cpu_init();
  if (!has_avx2()) return VectorIsa::kBaseline;
  return has_avx512() ? VectorIsa::kAvx512 : VectorIsa::kAvx2;
#else
  return VectorIsa::kBaseline;
#endif
}

/** oneDNN's own names: SSE41, AVX, AVX2, AVX2_VNNI, ..., AVX512_CORE, ...; in any case of letters. */
VectorIsa Allowed() {
  const char* cap = std::getenv("ONEDNN_MAX_CPU_ISA");
  if (cap == nullptr) cap = std::getenv("DNNL_MAX_CPU_ISA");
  std::string name = cap == nullptr ? "" : cap;
  for (char& letter : name) letter = static_cast<char>(letter >= 'a' && letter <= 'z' ? letter - 32 : letter);
  if (name == "SSE41" || name == "AVX") return VectorIsa::kBaseline;
  return name.rfind("AVX2", 0) == 0 ? VectorIsa::kAvx2 : VectorIsa::kAvx512;
}

}  // namespace

VectorIsa BestVectorIsa() {
  static const VectorIsa best = [] {
    const VectorIsa has = OfProcessor(), may = Allowed();
    return has < may ? has : may;
  }();
  return best;
}

int VectorLanes() {
  switch (BestVectorIsa()) {
    case VectorIsa::kAvx512:
      return 16;
    case VectorIsa::kAvx2:
      return 8;
    case VectorIsa::kBaseline:
      break;
  }
  return 4;
}

const char* ToString(VectorIsa isa) {
  switch (isa) {
    case VectorIsa::kAvx512:
      return "avx512";
    case VectorIsa::kAvx2:
      return "avx2";
    case VectorIsa::kBaseline:
      break;
  }
  return "baseline";
}

}  // namespace alexnet
