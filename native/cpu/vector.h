// Vectors of floats, as wide as those of the instruction set that the including file is compiled for: CMake
// sets ALEXNET_ISA (a namespace's name) and ALEXNET_LANES.
// Invariant: a lane's result does not depend on how many there are.
#pragma once

#include <cstdint>
#include <utility>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

#include "cpu/rows.h"

namespace alexnet::cpu::ALEXNET_ISA {

constexpr int kLanes = ALEXNET_LANES;

using Floats = float __attribute__((vector_size(4 * kLanes)));
using Words = uint32_t __attribute__((vector_size(4 * kLanes)));
using Longs = uint64_t __attribute__((vector_size(4 * kLanes)));
using Halves = uint16_t __attribute__((vector_size(2 * kLanes)));
using Bytes = uint8_t __attribute__((vector_size(kLanes)));
/** What comparisons give: all bits of a lane or none. */
using Mask = int32_t __attribute__((vector_size(4 * kLanes)));

/** The same where they lie anywhere in memory. */
using UnalignedFloats = float __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
using UnalignedHalves = uint16_t __attribute__((vector_size(2 * kLanes), aligned(2), may_alias));
using UnalignedBytes = uint8_t __attribute__((vector_size(kLanes), aligned(1), may_alias));

ALEXNET_INLINE Words BitsOf(Floats values) {
  return reinterpret_cast<Words>(values);
}
ALEXNET_INLINE Floats FloatsOf(Words bits) {
  return reinterpret_cast<Floats>(bits);
}

// Between widths: what vectors have in common takes several steps where the processor has one.
#if defined(__AVX512F__)
ALEXNET_INLINE Words Widened(Halves halves) {
  return reinterpret_cast<Words>(_mm512_cvtepu16_epi32(reinterpret_cast<__m256i>(halves)));
}
ALEXNET_INLINE Words Widened(Bytes bytes) {
  return reinterpret_cast<Words>(_mm512_cvtepu8_epi32(reinterpret_cast<__m128i>(bytes)));
}
ALEXNET_INLINE Halves ToHalves(Words words) {
  return reinterpret_cast<Halves>(_mm512_cvtepi32_epi16(reinterpret_cast<__m512i>(words)));
}
ALEXNET_INLINE Bytes ToBytes(Words words) {
  return reinterpret_cast<Bytes>(_mm512_cvtepi32_epi8(reinterpret_cast<__m512i>(words)));
}
#else
ALEXNET_INLINE Words Widened(Halves halves) {
  return __builtin_convertvector(halves, Words);
}
ALEXNET_INLINE Words Widened(Bytes bytes) {
  return __builtin_convertvector(__builtin_convertvector(bytes, Halves), Words);
}
ALEXNET_INLINE Halves ToHalves(Words words) {
  return __builtin_convertvector(words, Halves);
}
ALEXNET_INLINE Bytes ToBytes(Words words) {
  return __builtin_convertvector(__builtin_convertvector(words, Halves), Bytes);
}
#endif

ALEXNET_INLINE Floats LoadFloats(const float* from) {
  return *reinterpret_cast<const UnalignedFloats*>(from);
}
ALEXNET_INLINE Floats LoadFloats(const BFloat16* from) {
  const Halves halves = *reinterpret_cast<const UnalignedHalves*>(from);
  return FloatsOf(Widened(halves) << 16);
}

ALEXNET_INLINE void StoreFloats(Floats values, float* to) {
  *reinterpret_cast<UnalignedFloats*>(to) = values;
}
/**
 * Rounds to nearest even. The values are computed from such as were loaded here: what a NaN has in its low
 * half is then zero, and rounding leaves it one.
 */
ALEXNET_INLINE void StoreFloats(Floats values, BFloat16* to) {
  const Words bits = BitsOf(values);
  *reinterpret_cast<UnalignedHalves*>(to) = ToHalves((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

/** Bytes of a stream that kernels have on their way from memory: the next few pixels of a vector of channels. */
constexpr int64_t kAhead = 512;

/**
 * Has the memory `bytes` behind `at` fetched before it is needed: a pixel's channels lie in a dozen places or more, and
 * a processor does not foresee so many streams by itself. It may be beyond the end of a tensor.
 */
ALEXNET_INLINE void Prefetch(const void* at, int64_t bytes = kAhead) {
  __builtin_prefetch(static_cast<const char*>(at) + bytes);
}

/** NaN for NaN, without what its low bits may hold. */
ALEXNET_INLINE Floats WithoutPayload(Floats values) {
  // NOLINTNEXTLINE(misc-redundant-expression)
  return values == values ? values : FloatsOf(Words{} + 0x7FC00000u);
}

ALEXNET_INLINE Floats Splat(float value) {
#if defined(__AVX512F__)
  return _mm512_set1_ps(value);
#elif defined(__AVX2__)
  return _mm256_set1_ps(value);
#else
  return value - Floats{};
#endif
}

/** a b + c, rounded once where the processor can. */
ALEXNET_INLINE Floats MultiplyAdd(Floats a, Floats b, Floats c) {
#if defined(__AVX512F__)
  return _mm512_fmadd_ps(a, b, c);
#elif defined(__AVX2__)
  return _mm256_fmadd_ps(a, b, c);
#else
  return a * b + c;
#endif
}

/** Whether a vector fills a cache line, so that it can be written past the caches without a part of one. */
constexpr bool kLinesAreVectors = kLanes == 16;
#if defined(__AVX512F__)
ALEXNET_INLINE void StreamFloats(Floats values, float* to) {
  _mm512_stream_ps(to, values);
}
/** Before other threads read what was streamed. */
ALEXNET_INLINE void FinishStream() {
  _mm_sfence();
}
#else
ALEXNET_INLINE void StreamFloats(Floats values, float* to) {
  StoreFloats(values, to);
}
ALEXNET_INLINE void FinishStream() {}
#endif

ALEXNET_INLINE Words LoadBytes(const uint8_t* from) {
  const Bytes bytes = *reinterpret_cast<const UnalignedBytes*>(from);
  return Widened(bytes);
}
ALEXNET_INLINE void StoreBytes(Words values, uint8_t* to) {
  *reinterpret_cast<UnalignedBytes*>(to) = ToBytes(values);
}

ALEXNET_INLINE Floats LoadFloats(const uint8_t* from) {
  return __builtin_convertvector(reinterpret_cast<Mask>(LoadBytes(from)), Floats);
}
/** As Store in bfloat16.h. */
ALEXNET_INLINE void StoreFloats(Floats values, uint8_t* to) {
  const Floats above = values > 0.f ? values : Floats{}, largest = Floats{} + 255.f;
  const Floats within = above < 255.f ? above : largest, magic = Floats{} + 12582912.f;
  StoreBytes(BitsOf(within + magic) - BitsOf(magic), to);
}

/** s^-1/4 to 1e-3. */
ALEXNET_INLINE Floats RoughInverseFourthRoots(Floats s) {
#if defined(__AVX512F__)
  const Floats root = _mm512_rsqrt14_ps(s);
  return root * _mm512_rsqrt14_ps(root);
#elif defined(__AVX2__)
  const Floats root = _mm256_rsqrt_ps(s);
  return root * _mm256_rsqrt_ps(root);
#else
  // A guess from the exponent's bits, 3 % off, and a step of Householder's method of third order.
  const Floats r = FloatsOf(0x4F584000u - (BitsOf(s) >> 2)), square = r * r;
  const Floats error = 1.f - s * (square * square);
  return r + r * error * (0.25f + 0.15625f * error);
#endif
}

ALEXNET_INLINE bool HasNan(Floats values) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(values, values, _CMP_UNORD_Q) != 0;
#elif defined(__AVX2__)
  return _mm256_movemask_ps(_mm256_cmp_ps(values, values, _CMP_UNORD_Q)) != 0;
#else
  for (int lane = 0; lane < kLanes; ++lane) {
    if (values[lane] != values[lane]) return true;  // NOLINT(misc-redundant-expression)
  }
  return false;
#endif
}

/** Products of the lower halves. */
ALEXNET_INLINE Longs LowProducts(Longs a, Longs b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Longs>(
      _mm512_mul_epu32(reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Longs>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#else
  return (a & 0xFFFFFFFFu) * (b & 0xFFFFFFFFu);
#endif
}

template <int kFirst, int... kLane>
ALEXNET_INLINE Longs InterleaveLanes(Longs a, Longs b, std::integer_sequence<int, kLane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(a, b, (kFirst + kLane / 2 + kLane % 2 * kLanes / 2)...);
#else
  return __builtin_shuffle(a, b, Longs{(kFirst + kLane / 2 + kLane % 2 * kLanes / 2)...});
#endif
}

/** Lanes of a and b by turns, from lane kFirst of both on. */
template <int kFirst>
ALEXNET_INLINE Longs Interleaved(Longs a, Longs b) {
  return InterleaveLanes<kFirst>(a, b, std::make_integer_sequence<int, kLanes / 2>());
}

template <int kShift, int... kLane>
ALEXNET_INLINE Floats ShiftLanes(Floats low, Floats high, std::integer_sequence<int, kLane...>) {
#if defined(__clang__)
  return __builtin_shufflevector(low, high, kShift + kLane...);
#else
  return __builtin_shuffle(low, high, Mask{kShift + kLane...});
#endif
}

/** Lanes kShift .. kShift + kLanes - 1 of `low` followed by `high`. */
template <int kShift>
ALEXNET_INLINE Floats Shifted(Floats low, Floats high) {
  return ShiftLanes<kShift>(low, high, std::make_integer_sequence<int, kLanes>());
}

}  // namespace alexnet::cpu::ALEXNET_ISA
