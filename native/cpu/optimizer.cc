// Stochastic gradient descent with momentum and weight decay, in place, in both forms in use:
//   paper    v <- momentum v - learningRate (weightDecay w + dw);  w <- w + v
//   PyTorch  v <- momentum v + (weightDecay w + dw);               w <- w - learningRate v
// Invariant: w and v lie in dw's layout after the first step, so an update is one pass over memory.
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

struct Rates {
  float learning_rate, momentum, weight_decay;
};

constexpr int64_t kGrain = 1 << 15;

ALEXNET_EVERY_ISA void PaperRange(float* w, float* v, const float* dw, int64_t begin, int64_t end,
                                  const Rates& rates) {
  const float learning_rate = rates.learning_rate, momentum = rates.momentum,
              weight_decay = rates.weight_decay;
  for (int64_t i = begin; i < end; ++i) {
    v[i] = momentum * v[i] - learning_rate * (weight_decay * w[i] + dw[i]);
    w[i] += v[i];
  }
}

ALEXNET_EVERY_ISA void TorchRange(float* w, float* v, const float* dw, int64_t begin, int64_t end,
                                  const Rates& rates) {
  const float learning_rate = rates.learning_rate, momentum = rates.momentum,
              weight_decay = rates.weight_decay;
  for (int64_t i = begin; i < end; ++i) {
    v[i] = momentum * v[i] + (weight_decay * w[i] + dw[i]);
    w[i] -= learning_rate * v[i];
  }
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
  storage.packed = Buffer{};
  return storage.buffer.floats();
}

}  // namespace

void Sgd(CpuBackend& backend, OpCall& call) {
  const Rates rates = {static_cast<float>(call.Number("learningRate")),
                       static_cast<float>(call.Number("momentum")),
                       static_cast<float>(call.Number("weightDecay"))};
  const Buffer dw = AsIs(*call.inputs[2]);
  float* const w = Writable(backend, *call.inputs[0], dw.layout);
  float* const v = Writable(backend, *call.inputs[1], dw.layout);
  const auto range = call.Flag("torchForm") ? TorchRange : PaperRange;
  // Padding counts as elements: zero in dw, w and v alike, it stays zero.
  const auto elements = static_cast<int64_t>(dw.layout.get_size() / sizeof(float));
  ParallelFor(elements, kGrain,
              [&](int64_t begin, int64_t end) { range(w, v, dw.floats(), begin, end, rates); });
}

}  // namespace alexnet::cpu
