// Winograd's kernels for AVX-512; this file alone is compiled for x86-64-v4.
// Invariant: nothing here runs before the processor was asked.
#include <immintrin.h>

#include "cpu/winograd/kernels_of_isa.h"

namespace alexnet::cpu::winograd {
namespace {

struct Vector {
  static constexpr int64_t kWidth = 16;
  struct BFloat16 {
    uint16_t bits;
  };
  __m512 values;

  static Vector Zero() { return {_mm512_setzero_ps()}; }
  static Vector Splat(float value) { return {_mm512_set1_ps(value)}; }
  static Vector Load(const float* from) { return {_mm512_loadu_ps(from)}; }
  static Vector Load(const BFloat16* from) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  static void Store(Vector vector, float* to) { _mm512_storeu_ps(to, vector.values); }
  static void Store(Vector vector, BFloat16* to) {
    const __m512i bits = _mm512_castps_si512(vector.values), half = _mm512_srli_epi32(bits, 16);
    const __m512i odd = _mm512_and_si512(half, _mm512_set1_epi32(1));
    const __m512i sum = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7FFF)));
    const __mmask16 nan = _mm512_cmp_ps_mask(vector.values, vector.values, _CMP_UNORD_Q);
    const __m512i rounded =
        _mm512_mask_or_epi32(_mm512_srli_epi32(sum, 16), nan, half, _mm512_set1_epi32(0x40));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(to), _mm512_cvtepi32_epi16(rounded));
  }
  /** A vector is a cache line. */
  static constexpr bool kStreams = true;
  static void Stream(Vector vector, float* to) { _mm512_stream_ps(to, vector.values); }
  static void FinishStream() { _mm_sfence(); }
  static Vector MultiplyAdd(Vector a, Vector b, Vector c) {
    return {_mm512_fmadd_ps(a.values, b.values, c.values)};
  }
  static Vector Add(Vector a, Vector b) { return {_mm512_add_ps(a.values, b.values)}; }
  /** b where one is not a number. */
  static Vector Max(Vector a, Vector b) { return {_mm512_max_ps(a.values, b.values)}; }
};

constexpr int kRows = 6, kVectors = 4;  // 24 sums, 4 of the right side, 1 of the left: of 32 registers
constexpr Kernels kThree = KernelsOf<Vector, 3, kRows, kVectors>::Table("winograd:avx512");
constexpr Kernels kFive = KernelsOf<Vector, 5, kRows, kVectors>::Table("winograd:avx512");

}  // namespace

const Kernels* Avx512Kernels(int64_t taps) {
  return taps == 3 ? &kThree : taps == 5 ? &kFive : nullptr;
}

}  // namespace alexnet::cpu::winograd
