// Philox4x32-10: random numbers as a pure function of a counter and a key.
// Invariant: bit for bit the same as lib/random.ts, on every backend.
#pragma once

#include <array>

#include "core/random_stream.h"

namespace alexnet {

using PhiloxBlock = std::array<uint32_t, 4>;

/** The four words that belong to elements 4 * index ... 4 * index + 3. */
inline PhiloxBlock Philox(uint64_t index, const RandomStream& random) {
  uint32_t c0 = static_cast<uint32_t>(index), c1 = static_cast<uint32_t>(index >> 32);
  uint32_t c2 = random.step, c3 = random.stream;
  uint32_t k0 = static_cast<uint32_t>(random.seed), k1 = static_cast<uint32_t>(random.seed >> 32);
  for (int round = 0; round < kPhiloxRounds; ++round) {
    const uint64_t p0 = uint64_t{kPhiloxFactors[0]} * c0;
    const uint64_t p1 = uint64_t{kPhiloxFactors[1]} * c2;
    c0 = static_cast<uint32_t>(p1 >> 32) ^ c1 ^ k0;
    c1 = static_cast<uint32_t>(p1);
    c2 = static_cast<uint32_t>(p0 >> 32) ^ c3 ^ k1;
    c3 = static_cast<uint32_t>(p0);
    k0 += kPhiloxKeySteps[0];
    k1 += kPhiloxKeySteps[1];
  }
  return {c0, c1, c2, c3};
}

}  // namespace alexnet
