// Stochastic gradient descent with momentum and weight decay, in place, and what goes with it; the formulas
// are in native/cpu/optimizer.cc.
// Invariant: w and v lie in dw's order after the first step, and a copy of w in 16 bits is written in the
// pass that changes w.
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

/** The tensor's own memory in `order`, moved there if need be, and shared with no other tensor. */
CudaStorage& Writable(CudaBackend& backend, const Tensor& tensor, Order order) {
  CudaStorage& storage = StorageOf(tensor);
  storage.host.reset();
  if (storage.buffer.order != order) {
    storage.buffer = Reorder(backend, storage.buffer, tensor.shape, tensor.dtype, order);
    storage.low = {};
  }
  if (storage.buffer.block.use_count() > 1) {
    const Buffer own = {order, backend.Allocate(tensor.bytes())};
    const Libraries& libraries = backend.gpu().libraries();
    ALEXNET_DRIVER_CALL(libraries, cuMemcpyDtoDAsync(own.address(), storage.buffer.address(), tensor.bytes(),
                                                     backend.gpu().stream()));
    storage.buffer = own;
  }
  if (storage.low.block.use_count() > 1) storage.low = {};
  return storage;
}

}  // namespace

void Sgd(CudaBackend& backend, OpCall& call) {
  const TensorPtr &w = call.inputs[0], &v = call.inputs[1], &dw = call.inputs[2], &scale = call.inputs[3];
  for (const TensorPtr& tensor : {w, v, dw, scale}) {
    if (tensor && backend.updates().Waits(tensor)) backend.updates().Launch();
  }
  const Buffer gradient = Floats(backend, *dw, AsIs(*dw).order);
  const CudaStorage& weights = Writable(backend, *w, gradient.order);
  SgdEntry entry = {};
  entry.w = weights.buffer.as<float>();
  entry.v = Writable(backend, *v, gradient.order).buffer.as<float>();
  entry.dw = gradient.as<const float>();
  entry.scale = scale ? Plain(backend, *scale).as<const float>() : nullptr;
  entry.low = weights.low.as<uint16_t>();
  entry.low_is_bfloat16 = weights.low_type == DType::kBFloat16 ? 1 : 0;
  entry.elements = w->elements();
  entry.learning_rate = static_cast<float>(call.Number("learningRate"));
  entry.momentum = static_cast<float>(call.Number("momentum"));
  entry.weight_decay = static_cast<float>(call.Number("weightDecay"));
  entry.torch_form = call.Flag("torchForm") ? 1 : 0;
  backend.updates().Add(entry, {w, v, dw, scale});
  // A gradient of another type was converted for this update, and must live until it has been launched.
  if (dw->dtype != DType::kFloat32) backend.updates().Launch();
}

// A sum of squares is finite if and only if all the gradients are, short of 1e38.
void UpdateLossScale(CudaBackend& backend, OpCall& call) {
  const auto writable = [&](size_t input) {
    return Writable(backend, *call.inputs[input], Order::kRowMajor).buffer.data();
  };
  const Buffer squares = Plain(backend, *call.inputs[3]);
  Grid one;
  one.threads = 1;
  backend.gpu().Launch("update_loss_scale", one, writable(0), writable(1), writable(2), squares.data(),
                       static_cast<float>(call.Number("growthFactor")),
                       static_cast<float>(call.Number("backoffFactor")),
                       static_cast<float>(call.Number("growthInterval")));
}

// e <- decay e + (1 - decay) x
void Average(CudaBackend& backend, OpCall& call) {
  const Tensor &e = *call.inputs[0], &x = *call.inputs[1];
  const Buffer values = Floats(backend, x, AsIs(x).order);
  CudaStorage& storage = Writable(backend, e, values.order);
  storage.low = {};
  backend.gpu().Launch("average", backend.gpu().Spread(e.elements()), storage.buffer.data(), values.data(),
                       e.elements(), static_cast<float>(1 - call.Number("decay")));
}

// scale = min(1, maxNorm / sqrt(squares)); 1 for a NaN, which stays in the gradient and is seen there.
void ClipScale(CudaBackend& backend, OpCall& call) {
  const Buffer squares = Floats(backend, *call.inputs[0], Order::kRowMajor);
  Grid one;
  one.threads = 1;
  backend.gpu().Launch("clip_scale", one, squares.data(), backend.CreatePlain(*call.outputs[0]).data(),
                       call.Number("maxNorm"));
}

}  // namespace alexnet::cuda
