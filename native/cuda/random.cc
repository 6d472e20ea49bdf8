// Weight initialisation and dropout from counter-based random numbers.
// Invariant: element i (row-major) depends on seed, step, stream and i alone; the words are the CPU's.
#include <cmath>

#include "core/philox.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

RandomStream StreamOf(const OpCall& call) {
  return {static_cast<uint64_t>(call.Number("seed")), static_cast<uint32_t>(call.Number("step")),
          static_cast<uint32_t>(call.Number("stream"))};
}

void Initialise(CudaBackend& backend, OpCall& call, const char* kernel, double first, double second) {
  FloatOutput y(backend, *call.outputs[0], Order::kRowMajor);
  const int64_t elements = call.outputs[0]->elements();
  backend.gpu().Launch(kernel, backend.gpu().Spread((elements + 3) / 4), y.data(), elements, first, second,
                       StreamOf(call));
  y.Finish();
}

}  // namespace

void Gaussian(CudaBackend& backend, OpCall& call) {
  Initialise(backend, call, "gaussian", call.Number("mean"), call.Number("std"));
}

void Uniform(CudaBackend& backend, OpCall& call) {
  Initialise(backend, call, "uniform", call.Number("low"), call.Number("high"));
}

// y = scale * x where the element's word reaches rate * 2^32, else 0. The gradient is the same op on dy. Not
// cuDNN's dropout: its masks are its own.
void Dropout(CudaBackend& backend, OpCall& call) {
  const auto threshold = static_cast<uint64_t>(std::llround(call.Number("rate") * 4294967296.0));
  const auto scale = static_cast<float>(call.Number("scale"));
  const Tensor& y = *call.outputs[0];
  const Buffer x = Plain(backend, *call.inputs[0]);
  const std::string kernel = Typed("dropout", y.dtype);
  backend.gpu().Launch(kernel, backend.gpu().Spread((y.elements() + 3) / 4), x.data(),
                       backend.CreatePlain(*call.outputs[0]).data(), y.elements(), StreamOf(call), threshold,
                       scale);
}

}  // namespace alexnet::cuda
