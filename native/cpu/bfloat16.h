// The bits of floats, bfloat16, and integers of 8 bits.
// Invariant: to bfloat16 rounds to nearest even; a NaN stays a NaN.
#pragma once

#include <cstdint>
#include <cstring>

#include "core/every_isa.h"

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

}  // namespace alexnet::cpu
