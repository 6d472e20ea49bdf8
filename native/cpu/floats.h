// Floating-point buffers of any type, computed on in float32.
// Invariant: see bfloat16.h.
#pragma once

#include <array>

#include "cpu/backend.h"
#include "cpu/bfloat16.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {

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
