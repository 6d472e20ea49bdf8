// Local response normalisation within a channel ("same map", cuda-convnet), own kernels; the formula is in
// native/cpu/lrn_within.cc.
// Invariant: works on row-major planes, in float32.
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

LrnWithinArguments Arguments(const OpCall& call) {
  const Shape& shape = call.inputs[0]->shape;
  Index(ElementCount(shape));
  return {Index(shape[0] * shape[1]), Index(shape[2]), Index(shape[3]),
          // A window as wide as the picture on either side sees no more pixels if it is wider.
          Index(std::min(call.Integer("size"), 2 * std::max(shape[2], shape[3]) - 1)),
          static_cast<float>(call.Number("alpha")), static_cast<float>(call.Number("beta")),
          static_cast<float>(call.Number("k"))};
}

}  // namespace

void LrnWithinForward(CudaBackend& backend, OpCall& call) {
  const Buffer x = Floats(backend, *call.inputs[0], Order::kRowMajor);
  FloatOutput y(backend, *call.outputs[0], Order::kRowMajor);
  backend.gpu().Launch("lrn_within_forward", backend.gpu().Spread(call.inputs[0]->elements()), x.data(),
                       y.data(), Arguments(call));
  y.Finish();
}

void LrnWithinBackward(CudaBackend& backend, OpCall& call) {
  const int64_t elements = call.inputs[0]->elements();
  const Grid grid = backend.gpu().Spread(elements);
  const size_t bytes = static_cast<size_t>(elements) * sizeof(float);
  const Buffer x = Floats(backend, *call.inputs[0], Order::kRowMajor);
  const Buffer dy = Floats(backend, *call.inputs[1], Order::kRowMajor);
  const Buffer ratios = {Order::kRowMajor, backend.Allocate(bytes)},
               powers = {Order::kRowMajor, backend.Allocate(bytes)};
  FloatOutput dx(backend, *call.outputs[0], Order::kRowMajor);
  backend.gpu().Launch("lrn_within_ratios", grid, x.data(), dy.data(), ratios.data(), powers.data(),
                       Arguments(call));
  backend.gpu().Launch("lrn_within_backward", grid, x.data(), dy.data(), ratios.data(), powers.data(),
                       dx.data(), Arguments(call));
  dx.Finish();
}

}  // namespace alexnet::cuda
