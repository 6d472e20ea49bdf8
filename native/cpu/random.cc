// Weight initialisation and dropout from counter-based random numbers.
// Invariant: element i (row-major) depends on seed, step, stream and i alone, never on threads or layout.
#include <cmath>

#include "core/philox.h"
#include "cpu/dropout_range.h"
#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

constexpr double kUnit = 1.0 / 4294967296.0;  // 2^-32
constexpr double kTwoPi = 6.283185307179586476925286766559;
constexpr int64_t kBlocksPerThread = 4096;

RandomStream StreamOf(const OpCall& call) {
  return {static_cast<uint64_t>(call.Number("seed")), static_cast<uint32_t>(call.Number("step")),
          static_cast<uint32_t>(call.Number("stream"))};
}

/** write(first element, its block of four words) for each four elements. */
template <typename Write>
void ForEachBlock(int64_t elements, const RandomStream& random, const Write& write) {
  ParallelFor((elements + 3) / 4, kBlocksPerThread, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block)
      write(4 * block, Philox(static_cast<uint64_t>(block), random));
  });
}

}  // namespace

// Box-Muller: words (a, b) of a block give its elements 2j and 2j + 1.
void Gaussian(CpuBackend& backend, OpCall& call) {
  const double mean = call.Number("mean"), std = call.Number("std");
  const int64_t elements = call.outputs[0]->elements();
  float* const y = backend.CreatePlain(*call.outputs[0]).floats();
  ForEachBlock(elements, StreamOf(call), [=](int64_t first, const PhiloxBlock& words) {
    for (size_t j = 0; j < 4; j += 2) {
      const double radius = std * std::sqrt(-2 * std::log((words[j] + 0.5) * kUnit));
      const double angle = kTwoPi * ((words[j + 1] + 0.5) * kUnit);
      const int64_t i = first + static_cast<int64_t>(j);
      if (i < elements) y[i] = static_cast<float>(mean + radius * std::cos(angle));
      if (i + 1 < elements) y[i + 1] = static_cast<float>(mean + radius * std::sin(angle));
    }
  });
}

void Uniform(CpuBackend& backend, OpCall& call) {
  const double low = call.Number("low"), high = call.Number("high");
  const int64_t elements = call.outputs[0]->elements();
  float* const y = backend.CreatePlain(*call.outputs[0]).floats();
  ForEachBlock(elements, StreamOf(call), [=](int64_t first, const PhiloxBlock& words) {
    for (int64_t i = first; i < std::min(first + 4, elements); ++i) {
      y[i] = static_cast<float>(low + (high - low) * ((words[static_cast<size_t>(i - first)] + 0.5) * kUnit));
    }
  });
}

// y = scale * x where the element's word reaches rate * 2^32, else 0. The gradient is the same op on dy.
void Dropout(CpuBackend& backend, OpCall& call) {
  const DropoutRule rule = {StreamOf(call),
                            static_cast<uint64_t>(std::llround(call.Number("rate") * 4294967296.0)),
                            static_cast<float>(call.Number("scale"))};
  const Buffer x = Plain(backend, *call.inputs[0]);
  const Buffer& y = backend.CreatePlain(*call.outputs[0]);
  ForEachChunk<1>(call.outputs[0]->elements(), {x}, y,
                  [=](int64_t first, const std::array<const float*, 1>& in, float* out, int64_t count) {
                    DropoutRange(rule, first, count, in[0], out);
                  });
}

}  // namespace alexnet::cpu
