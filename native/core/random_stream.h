// Which random numbers: the counters and keys of Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011).
// Invariant: free of anything that has code of its own, so that kernels in vectors can include it.
#pragma once

#include <cstdint>

namespace alexnet {

/** Key = seed, counter = (element / 4, step, stream). */
struct RandomStream {
  uint64_t seed;
  uint32_t step;
  uint32_t stream;
};

/** A round multiplies the first and the third word of a counter by these, and adds those to the key. */
constexpr uint32_t kPhiloxFactors[2] = {0xD2511F53u, 0xCD9E8D57u};
constexpr uint32_t kPhiloxKeySteps[2] = {0x9E3779B9u, 0xBB67AE85u};
constexpr int kPhiloxRounds = 10;

}  // namespace alexnet
