// What goes with gradient descent: running averages of weights, the scale of a loss, and the factor that bounds a
// gradient's norm.
// Invariant: what is updated lies in the layout of what it is updated from.
#include <cmath>
#include <limits>

#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

constexpr int64_t kGrain = 1 << 15;

ALEXNET_INLINE void AverageRange(float* e, const float* x, int64_t begin, int64_t end, float weight) {
  for (int64_t i = begin; i < end; ++i) e[i] += weight * (x[i] - e[i]);
}

}  // namespace

// A sum of squares is finite if and only if all the gradients are, short of 1e38.
void UpdateLossScale(CpuBackend& backend, OpCall& call) {
  const auto writable = [&](const Tensor& tensor) { return Writable(backend, tensor, PlainLayout(tensor)); };
  float *const scale = writable(*call.inputs[0]), *const factor = writable(*call.inputs[1]);
  float* const counts = writable(*call.inputs[2]);
  const bool finite = std::isfinite(*Plain(backend, *call.inputs[3]).floats());
  *factor = finite ? 1 / *scale : std::numeric_limits<float>::quiet_NaN();
  counts[0] += 1;
  if (finite && counts[0] < static_cast<float>(call.Number("growthInterval"))) return;
  *scale *= static_cast<float>(call.Number(finite ? "growthFactor" : "backoffFactor"));
  counts[0] = 0;
  counts[1] += finite ? 0 : 1;
}

// e <- decay e + (1 - decay) x
void Average(CpuBackend& backend, OpCall& call) {
  const auto weight = static_cast<float>(1 - call.Number("decay"));
  const Buffer x = AsIs(*call.inputs[1]);
  float* const e = Writable(backend, *call.inputs[0], x.layout);
  const auto elements = static_cast<int64_t>(x.layout.get_size() / sizeof(float));
  ParallelFor(elements, kGrain,
              [&](int64_t begin, int64_t end) { EveryIsa<AverageRange>(e, x.floats(), begin, end, weight); });
}

// scale = min(1, maxNorm / sqrt(squares)); 1 for a NaN, which stays in the gradient and is seen there.
void ClipScale(CpuBackend& backend, OpCall& call) {
  const double max_norm = call.Number("maxNorm");
  const double norm = std::sqrt(static_cast<double>(*Plain(backend, *call.inputs[0]).floats()));
  const double scale = norm > max_norm ? max_norm / norm : 1;
  *backend.CreatePlain(*call.outputs[0]).floats() = static_cast<float>(scale);
}

}  // namespace alexnet::cpu
