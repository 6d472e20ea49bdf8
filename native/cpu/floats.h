// Floating-point buffers of any type, computed on in float32.
// Invariant: to bfloat16 rounds to nearest even; a NaN stays a NaN.
#pragma once

#include <array>
#include <cstring>

#include "cpu/backend.h"
#include "cpu/parallel.h"

#define ALEXNET_INLINE inline __attribute__((always_inline))

namespace alexnet::cpu {

struct BFloat16 {
  uint16_t bits;
};

ALEXNET_INLINE uint32_t Bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}
ALEXNET_INLINE float FromBits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

ALEXNET_INLINE float Load(const float* from) {
  return *from;
}
ALEXNET_INLINE float Load(const BFloat16* from) {
  return FromBits(uint32_t{from->bits} << 16);
}
ALEXNET_INLINE void Store(float value, float* to) {
  *to = value;
}
ALEXNET_INLINE void Store(float value, BFloat16* to) {
  const uint32_t bits = Bits(value);
  const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16, nan = (bits >> 16) | 0x40u;
  to->bits = static_cast<uint16_t>((bits & 0x7FFFFFFFu) > 0x7F800000u ? nan : rounded);
}

/** To nearest even within [low, high], for integers of at most 22 bits; NaN becomes 0. Vectorises, as rint
 * does not. */
ALEXNET_INLINE int32_t RoundWithin(float value, float low, float high) {
  const float number = value == value ? value : 0.f;
  const float within = number < low ? low : number > high ? high : number;
  constexpr float kOneAndAHalf = 12582912.f;  // 1.5 * 2^23: from there on floats are integers
  return static_cast<int32_t>(Bits(within + kOneAndAHalf)) - static_cast<int32_t>(Bits(kOneAndAHalf));
}

ALEXNET_INLINE float Load(const uint8_t* from) {
  return static_cast<float>(*from);
}
ALEXNET_INLINE void Store(float value, uint8_t* to) {
  *to = static_cast<uint8_t>(RoundWithin(value, 0.f, 255.f));
}

void Widen(const BFloat16* from, float* to, int64_t count);
void Narrow(const float* from, BFloat16* to, int64_t count);

/** A buffer of float32 or bfloat16, read and written a chunk at a time. */
class FloatBuffer {
 public:
  /** @throws Error for another type */
  explicit FloatBuffer(const Buffer& buffer);

  /** Elements [begin, begin + count): where they lie, or widened into `scratch`. */
  const float* Read(int64_t begin, int64_t count, float* scratch) const {
    if (floats_ != nullptr) return floats_ + begin;
    Widen(narrow_ + begin, scratch, count);
    return scratch;
  }
  /** Where to put elements from `begin` on before Written is called. */
  float* Target(int64_t begin, float* scratch) const {
    return floats_ != nullptr ? floats_ + begin : scratch;
  }
  void Written(int64_t begin, int64_t count, const float* values) const {
    if (floats_ == nullptr) Narrow(values, narrow_ + begin, count);
  }

 private:
  float* floats_ = nullptr;
  BFloat16* narrow_ = nullptr;
};

/** body(first element, {x...}, y, count) over chunks of all elements; a chunk starts at a multiple of four.
 */
template <size_t N, typename Body>
void ForEachChunk(int64_t elements, const std::array<Buffer, N>& from, const Buffer& to, const Body& body) {
  constexpr int64_t kChunk = 1024, kChunksPerThread = 32;
  std::vector<FloatBuffer> sources(from.begin(), from.end());
  const FloatBuffer target(to);
  ParallelFor((elements + kChunk - 1) / kChunk, kChunksPerThread, [&](int64_t begin, int64_t end) {
    float scratch[N + 1][kChunk];
    for (int64_t first = begin * kChunk; first < std::min(elements, end * kChunk); first += kChunk) {
      const int64_t count = std::min(kChunk, elements - first);
      std::array<const float*, N> x;
      for (size_t i = 0; i < N; ++i) x[i] = sources[i].Read(first, count, scratch[i]);
      float* const y = target.Target(first, scratch[N]);
      body(first, x, y, count);
      target.Written(first, count, y);
    }
  });
}

}  // namespace alexnet::cpu
