// Winograd's kernels for AVX2; this file alone is compiled for x86-64-v3.
// Invariant: nothing here runs before the processor was asked.
#include <immintrin.h>

#include "cpu/winograd/kernels_of_isa.h"

namespace alexnet::cpu::winograd {
namespace {

struct Vector {
  static constexpr int64_t kWidth = 8;
  struct BFloat16 {
    uint16_t bits;
  };
  __m256 values;

  static Vector Zero() { return {_mm256_setzero_ps()}; }
  static Vector Splat(float value) { return {_mm256_set1_ps(value)}; }
  static Vector Load(const float* from) { return {_mm256_loadu_ps(from)}; }
  static Vector Load(const BFloat16* from) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
    return {_mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16))};
  }
  static void Store(Vector vector, float* to) { _mm256_storeu_ps(to, vector.values); }
  static void Store(Vector vector, BFloat16* to) {
    const __m256i bits = _mm256_castps_si256(vector.values), half = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(half, _mm256_set1_epi32(1));
    const __m256i sum = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7FFF)));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(vector.values, vector.values, _CMP_UNORD_Q));
    const __m256i rounded =
        _mm256_blendv_epi8(_mm256_srli_epi32(sum, 16), _mm256_or_si256(half, _mm256_set1_epi32(0x40)), nan);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                     _mm_packus_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1)));
  }
  /** Half a cache line would be written at a time. */
  static constexpr bool kStreams = false;
  static Vector MultiplyAdd(Vector a, Vector b, Vector c) {
    return {_mm256_fmadd_ps(a.values, b.values, c.values)};
  }
  static Vector Add(Vector a, Vector b) { return {_mm256_add_ps(a.values, b.values)}; }
  /** b where one is not a number. */
  static Vector Max(Vector a, Vector b) { return {_mm256_max_ps(a.values, b.values)}; }
};

constexpr int kRows = 6, kVectors = 2;  // 12 sums, 2 of the right side, 1 of the left: of 16 registers
constexpr Kernels kThree = KernelsOf<Vector, 3, kRows, kVectors>::Table("winograd:avx2");
constexpr Kernels kFive = KernelsOf<Vector, 5, kRows, kVectors>::Table("winograd:avx2");

}  // namespace

const Kernels* Avx2Kernels(int64_t taps) {
  return taps == 3 ? &kThree : taps == 5 ? &kFive : nullptr;
}

}  // namespace alexnet::cpu::winograd
