// Loops over the device's threads.
// Invariant: what a loop computes does not depend on the number of threads.
#pragma once

#include <omp.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "core/every_isa.h"

namespace alexnet::cpu {

/** body(begin, end) over [0, count), split evenly; at least `grain` iterations a thread. body must not throw.
 */
template <typename Body>
void ParallelFor(int64_t count, int64_t grain, const Body& body) {
  const int64_t wanted = std::max<int64_t>(1, count / std::max<int64_t>(grain, 1));
  const int threads = static_cast<int>(std::min<int64_t>(wanted, omp_get_max_threads()));
  if (threads <= 1) {
    body(int64_t{0}, count);
    return;
  }
#pragma omp parallel num_threads(threads)
  {
    const int64_t team = omp_get_num_threads();
    const int64_t index = omp_get_thread_num();
    body(count * index / team, count * (index + 1) / team);
  }
}

/** Sum of part(begin, end) over fixed chunks, added in order: the same bits for any number of threads. */
template <typename Part>
double ParallelSum(int64_t count, const Part& part) {
  constexpr int64_t kChunk = 1 << 16;
  std::vector<double> sums(static_cast<size_t>((count + kChunk - 1) / kChunk));
  ParallelFor(static_cast<int64_t>(sums.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      sums[static_cast<size_t>(i)] = part(i * kChunk, std::min(count, (i + 1) * kChunk));
    }
  });
  double total = 0;
  for (const double sum : sums) total += sum;
  return total;
}

}  // namespace alexnet::cpu
