// Dropout in vectors: each lane of 64 bits computes a block of its own.
// Invariant: see dropout_range.h.
#include "cpu/dropout_range.h"

#include "cpu/vector.h"

namespace alexnet::cpu::ALEXNET_ISA {
namespace {

constexpr int64_t kBlockWords = 4;
// Blocks are computed in sets of one for each lane of 64 bits; a processor has four sets under way at once.
constexpr int64_t kBlocks = kLanes / 2, kSets = 4, kVectors = 2 * kSets, kGroup = kVectors * kLanes;

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
  struct Counters {
    Longs c0, c1, c2, c3;
  } sets[kSets];
  for (Counters& set : sets) {
    set.c0 = LaneNumbers() + block;
    set.c1 = set.c0 >> 32;
    set.c2 = Longs{} + random.step;
    set.c3 = Longs{} + random.stream;
    block += kBlocks;
  }
  const Longs factor0 = Longs{} + kPhiloxFactors[0], factor1 = Longs{} + kPhiloxFactors[1];
#pragma GCC unroll 10
  for (const auto& key : keys.at) {
    for (Counters& set : sets) {
      const Longs p0 = LowProducts(set.c0, factor0), p1 = LowProducts(set.c2, factor1);
      set = {(p1 >> 32) ^ set.c1 ^ key[0], p1, (p0 >> 32) ^ set.c3 ^ key[1], p0};
    }
  }
  for (const Counters& set : sets) {
    const Longs first = (set.c0 & 0xFFFFFFFFu) | (set.c1 << 32);
    const Longs last = (set.c2 & 0xFFFFFFFFu) | (set.c3 << 32);
    *words++ = reinterpret_cast<Words>(Interleaved<0>(first, last));
    *words++ = reinterpret_cast<Words>(Interleaved<kBlocks / 2>(first, last));
  }
}

ALEXNET_INLINE void Group(const DropoutRule& rule, const Keys& keys, int64_t first, const float* x,
                          float* y) {
  // With a threshold of 2^32 nothing stays.
  const Words least = Words{} + static_cast<uint32_t>(rule.threshold);
  const Mask any = Mask{} - static_cast<int32_t>(rule.threshold >> 32 == 0);
  Words words[kVectors];
  RandomWords(static_cast<uint64_t>(first / kBlockWords), rule.random, keys, words);
  for (const Words& word : words) {
    const Mask stays = (word >= least) & any;
    StoreFloats(stays ? LoadFloats(x) * rule.scale : Floats{}, y);
    x += kLanes;
    y += kLanes;
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
