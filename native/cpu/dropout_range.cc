// Dropout in vectors: each lane of 64 bits computes a block of its own.
// Invariant: see dropout_range.h.
#include "cpu/dropout_range.h"

#include "cpu/vector.h"

namespace alexnet::cpu::ALEXNET_ISA {
namespace {

constexpr int64_t kBlockWords = 4;
// Blocks are computed in sets of one for each lane of 64 bits; a processor has four sets under way at once.
constexpr int kBlocks = kLanes / 2, kSets = 4, kVectors = 2 * kSets;
constexpr int64_t kGroup = kVectors * kLanes;

ALEXNET_INLINE Longs LaneNumbers() {
  Longs lanes = {};
  for (uint64_t lane = 0; lane < kBlocks; ++lane) lanes[lane] = lane;
  return lanes;
}

/** The key of each round, in all lanes. */
struct Keys {
  Longs at[kPhiloxRounds][2];

  explicit ALEXNET_INLINE Keys(uint64_t seed) {
    auto k0 = static_cast<uint32_t>(seed), k1 = static_cast<uint32_t>(seed >> 32);
    for (auto& keys : at) {
      keys[0] = Longs{} + k0;
      keys[1] = Longs{} + k1;
      k0 += kPhiloxKeySteps[0];
      k1 += kPhiloxKeySteps[1];
    }
  }
};

/**
 * The words of elements 4 * block ... 4 * block + kGroup - 1. A counter's word is the lower half of a lane; what the
 * upper half holds is not multiplied.
 */
ALEXNET_INLINE void RandomWords(uint64_t block, const RandomStream& random, const Keys& keys, Words* words) {
  Longs c0[kSets], c1[kSets], c2[kSets], c3[kSets];
  for (int set = 0; set < kSets; ++set) {
    c0[set] = LaneNumbers() + (block + static_cast<uint64_t>(set * kBlocks));
    c1[set] = c0[set] >> 32;
    c2[set] = Longs{} + random.step;
    c3[set] = Longs{} + random.stream;
  }
  const Longs factor0 = Longs{} + kPhiloxFactors[0], factor1 = Longs{} + kPhiloxFactors[1];
#pragma GCC unroll 10
  for (int round = 0; round < kPhiloxRounds; ++round) {
    for (int set = 0; set < kSets; ++set) {
      const Longs p0 = LowProducts(c0[set], factor0), p1 = LowProducts(c2[set], factor1);
      c0[set] = (p1 >> 32) ^ c1[set] ^ keys.at[round][0];
      c1[set] = p1;
      c2[set] = (p0 >> 32) ^ c3[set] ^ keys.at[round][1];
      c3[set] = p0;
    }
  }
  for (int set = 0; set < kSets; ++set) {
    const Longs first = (c0[set] & 0xFFFFFFFFu) | (c1[set] << 32),
                last = (c2[set] & 0xFFFFFFFFu) | (c3[set] << 32);
    words[2 * set] = reinterpret_cast<Words>(Interleaved<0>(first, last));
    words[2 * set + 1] = reinterpret_cast<Words>(Interleaved<kBlocks / 2>(first, last));
  }
}

ALEXNET_INLINE void Group(const DropoutRule& rule, const Keys& keys, int64_t first, const float* x,
                          float* y) {
  // With a threshold of 2^32 nothing stays.
  const Words least = Words{} + static_cast<uint32_t>(rule.threshold);
  const Mask any = Mask{} - static_cast<int32_t>(rule.threshold >> 32 == 0);
  Words words[kVectors];
  RandomWords(static_cast<uint64_t>(first / kBlockWords), rule.random, keys, words);
  for (int i = 0; i < kVectors; ++i, x += kLanes, y += kLanes) {
    const Mask stays = (words[i] >= least) & any;
    StoreFloats(stays ? LoadFloats(x) * rule.scale : Floats{}, y);
  }
}

}  // namespace

void DropoutRange(const DropoutRule& rule, int64_t first, int64_t count, const float* x, float* y) {
  const Keys keys(rule.random.seed);
  int64_t i = 0;
  for (; i + kGroup <= count; i += kGroup) Group(rule, keys, first + i, x + i, y + i);
  if (i == count) return;
  float rest[kGroup] = {};
  for (int64_t j = i; j < count; ++j) rest[j - i] = x[j];
  Group(rule, keys, first + i, rest, rest);
  for (int64_t j = i; j < count; ++j) y[j] = rest[j - i];
}

}  // namespace alexnet::cpu::ALEXNET_ISA
