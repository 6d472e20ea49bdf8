// Stochastic gradient descent with momentum and weight decay, in place, in both forms in use:
//   paper    v <- momentum v - learningRate (weightDecay w + dw);  w <- w + v
//   PyTorch  v <- momentum v + (weightDecay w + dw);               w <- w - learningRate v
// and what goes with it: running averages of weights, and the factor that bounds a gradient's norm.
// Invariant: w and v lie in dw's layout after the first step, so an update is one pass over memory.
#include <cmath>
#include <limits>

#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

struct Rates {
  float learning_rate, momentum, weight_decay, scale;
};

constexpr int64_t kGrain = 1 << 15;

ALEXNET_INLINE void PaperRange(float* w, float* v, const float* dw, int64_t begin, int64_t end, Rates rates) {
  const float learning_rate = rates.learning_rate, momentum = rates.momentum,
              weight_decay = rates.weight_decay, scale = rates.scale;
  for (int64_t i = begin; i < end; ++i) {
    v[i] = momentum * v[i] - learning_rate * (weight_decay * w[i] + scale * dw[i]);
    w[i] += v[i];
  }
}

ALEXNET_INLINE void TorchRange(float* w, float* v, const float* dw, int64_t begin, int64_t end, Rates rates) {
  const float learning_rate = rates.learning_rate, momentum = rates.momentum,
              weight_decay = rates.weight_decay, scale = rates.scale;
  for (int64_t i = begin; i < end; ++i) {
    v[i] = momentum * v[i] + (weight_decay * w[i] + scale * dw[i]);
    w[i] -= learning_rate * v[i];
  }
}

ALEXNET_INLINE void AverageRange(float* e, const float* x, int64_t begin, int64_t end, float weight) {
  for (int64_t i = begin; i < end; ++i) e[i] += weight * (x[i] - e[i]);
}

/** The tensor's own memory in `layout`, moved there if need be, and shared with no other tensor. */
float* Writable(CpuBackend& backend, const Tensor& tensor, const dnnl::memory::desc& layout) {
  CpuStorage& storage = StorageOf(tensor);
  if (storage.buffer.layout != layout) {
    const Buffer plain = {PlainLayout(layout.get_dims(), layout.get_data_type()),
                          Plain(backend, tensor).block};
    storage.buffer = backend.Reorder(plain, layout);
  } else if (storage.buffer.block.use_count() > 1) {
    storage.buffer = backend.Reorder(storage.buffer, layout);
  }
  storage.packed.clear();
  return storage.buffer.floats();
}

}  // namespace

void Sgd(CpuBackend& backend, OpCall& call) {
  const Rates rates = {static_cast<float>(call.Number("learningRate")),
                       static_cast<float>(call.Number("momentum")),
                       static_cast<float>(call.Number("weightDecay")),
                       call.inputs[3] ? *Plain(backend, *call.inputs[3]).floats() : 1.f};
  if (!std::isfinite(rates.scale)) return;
  const Buffer dw = AsIs(*call.inputs[2]);
  float* const w = Writable(backend, *call.inputs[0], dw.layout);
  float* const v = Writable(backend, *call.inputs[1], dw.layout);
  const bool torch_form = call.Flag("torchForm");
  // Padding counts as elements: zero in dw, w and v alike, it stays zero.
  const auto elements = static_cast<int64_t>(dw.layout.get_size() / sizeof(float));
  ParallelFor(elements, kGrain, [&](int64_t begin, int64_t end) {
    if (torch_form) {
      EveryIsa<TorchRange>(w, v, dw.floats(), begin, end, rates);
    } else {
      EveryIsa<PaperRange>(w, v, dw.floats(), begin, end, rates);
    }
  });
}

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
