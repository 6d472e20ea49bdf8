// Max and average pooling. cuDNN pools where padding is the same on both sides and no gradient of a maximum
// is asked for; its backward op does not say which of equal maxima it takes, and cannot be told to take the
// first.
// Invariant: padding never wins a maximum; gradients flow channels-last.
#include "cuda/descriptors.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

/** What max pooling's forward op leaves for its backward op: which pixel each maximum was. */
struct ArgmaxStorage final : Storage {
  Buffer pixels;
  Shape source, target;
  std::vector<double> attributes;
};

PoolGeometry Geometry(const OpCall& call, const Shape& x, const Shape& y) {
  Index(ElementCount(x));
  PoolGeometry pool = {};
  pool.images = Index(x[0]);
  pool.channels = Index(x[1]);
  pool.height = Index(x[2]);
  pool.width = Index(x[3]);
  pool.out_height = Index(y[2]);
  pool.out_width = Index(y[3]);
  pool.kernel_h = Index(call.Integer("kernelH"));
  pool.kernel_w = Index(call.Integer("kernelW"));
  pool.stride_h = Index(call.Integer("strideH"));
  pool.stride_w = Index(call.Integer("strideW"));
  pool.pad_top = Index(call.Integer("padTop"));
  pool.pad_left = Index(call.Integer("padLeft"));
  return pool;
}

bool IsSymmetric(const OpCall& call) {
  return call.Integer("padTop") == call.Integer("padBottom") &&
         call.Integer("padLeft") == call.Integer("padRight");
}

class PoolDescriptor : public Descriptor<cudnnPoolingDescriptor_t> {
 public:
  PoolDescriptor(const Libraries& libraries, cudnnPoolingMode_t mode, const PoolGeometry& pool)
      : Descriptor(libraries, libraries.cudnn.cudnnCreatePoolingDescriptor,
                   libraries.cudnn.cudnnDestroyPoolingDescriptor) {
    ALEXNET_CUDNN_CALL(
        libraries, cudnnSetPooling2dDescriptor(get(), mode, CUDNN_PROPAGATE_NAN, pool.kernel_h, pool.kernel_w,
                                               pool.pad_top, pool.pad_left, pool.stride_h, pool.stride_w));
  }
};

void CudnnForward(CudaBackend& backend, OpCall& call, cudnnPoolingMode_t mode) {
  const Libraries& libraries = backend.gpu().libraries();
  const Tensor& x = *call.inputs[0];
  Tensor& y = *call.outputs[0];
  const Buffer source = Pictures(backend, x), target = backend.Create(y, Order::kChannelsLast);
  const PoolDescriptor pool(libraries, mode, Geometry(call, x.shape, y.shape));
  const TensorDescriptor xs(libraries, x.dtype, x.shape, Order::kChannelsLast);
  const TensorDescriptor ys(libraries, y.dtype, y.shape, Order::kChannelsLast);
  const Factors factors;
  ALEXNET_CUDNN_CALL(libraries, cudnnPoolingForward(backend.gpu().cudnn(), pool.get(), &factors.one, xs.get(),
                                                    source.data(), &factors.zero, ys.get(), target.data()));
}

cudnnPoolingMode_t Average(const OpCall& call) {
  return call.Flag("clipped") ? CUDNN_POOLING_AVERAGE_COUNT_EXCLUDE_PADDING
                              : CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING;
}

// The average's gradient needs neither x nor y; cuDNN wants to be given them, and dx and dy have their
// shapes.
void CudnnAverageBackward(CudaBackend& backend, OpCall& call) {
  const Libraries& libraries = backend.gpu().libraries();
  const Tensor& dy = *call.inputs[0];
  Tensor& dx = *call.outputs[0];
  const Buffer source = Pictures(backend, dy), target = backend.Create(dx, Order::kChannelsLast);
  const PoolDescriptor pool(libraries, Average(call), Geometry(call, dx.shape, dy.shape));
  const TensorDescriptor xs(libraries, dx.dtype, dx.shape, Order::kChannelsLast);
  const TensorDescriptor ys(libraries, dy.dtype, dy.shape, Order::kChannelsLast);
  const Factors factors;
  ALEXNET_CUDNN_CALL(
      libraries,
      cudnnPoolingBackward(backend.gpu().cudnn(), pool.get(), &factors.one, ys.get(), source.data(), ys.get(),
                           source.data(), xs.get(), target.data(), &factors.zero, xs.get(), target.data()));
}

}  // namespace

void MaxPool2dForward(CudaBackend& backend, OpCall& call) {
  const Tensor& x = *call.inputs[0];
  Tensor& y = *call.outputs[0];
  if (!call.outputs[1] && IsSymmetric(call)) return CudnnForward(backend, call, CUDNN_POOLING_MAX);
  const Buffer source = Pictures(backend, x), target = backend.Create(y, Order::kChannelsLast);
  Buffer pixels;
  if (call.outputs[1]) {
    auto argmax = std::make_shared<ArgmaxStorage>();
    argmax->pixels = {Order::kChannelsLast,
                      backend.Allocate(static_cast<size_t>(y.elements()) * sizeof(int32_t))};
    argmax->source = x.shape;
    argmax->target = y.shape;
    argmax->attributes = call.attributes;
    pixels = argmax->pixels;
    call.outputs[1]->storage = argmax;
  }
  backend.gpu().Launch(Typed("max_pool_forward", x.dtype), backend.gpu().Spread(y.elements()), source.data(),
                       target.data(), pixels.data(), Geometry(call, x.shape, y.shape));
}

void MaxPool2dBackward(CudaBackend& backend, OpCall& call) {
  const auto* argmax = dynamic_cast<const ArgmaxStorage*>(call.inputs[0]->storage.get());
  Check(argmax != nullptr, "the saved state is not that of a max pooling");
  const Tensor& dy = *call.inputs[1];
  Tensor& dx = *call.outputs[0];
  const bool fits =
      argmax->attributes == call.attributes && argmax->source == dx.shape && argmax->target == dy.shape;
  Check(fits, "the saved state is that of another max pooling: another input shape, or other options");
  const Buffer source = Pictures(backend, dy), target = backend.Create(dx, Order::kChannelsLast);
  backend.gpu().Launch(Typed("max_pool_backward", dy.dtype), backend.gpu().Spread(dx.elements()),
                       argmax->pixels.data(), source.data(), target.data(),
                       Geometry(call, dx.shape, dy.shape));
}

void AvgPool2dForward(CudaBackend& backend, OpCall& call) {
  if (IsSymmetric(call)) return CudnnForward(backend, call, Average(call));
  const Tensor& x = *call.inputs[0];
  const Buffer source = Floats(backend, x, Order::kChannelsLast);
  FloatOutput target(backend, *call.outputs[0], Order::kChannelsLast);
  PoolGeometry pool = Geometry(call, x.shape, call.outputs[0]->shape);
  pool.clipped = call.Flag("clipped") ? 1 : 0;
  backend.gpu().Launch("avg_pool_forward", backend.gpu().Spread(call.outputs[0]->elements()), source.data(),
                       target.data(), pool);
  target.Finish();
}

void AvgPool2dBackward(CudaBackend& backend, OpCall& call) {
  if (IsSymmetric(call)) return CudnnAverageBackward(backend, call);
  const Tensor& dy = *call.inputs[0];
  const Buffer source = Floats(backend, dy, Order::kChannelsLast);
  FloatOutput target(backend, *call.outputs[0], Order::kChannelsLast);
  PoolGeometry pool = Geometry(call, call.outputs[0]->shape, dy.shape);
  pool.clipped = call.Flag("clipped") ? 1 : 0;
  backend.gpu().Launch("avg_pool_backward", backend.gpu().Spread(call.outputs[0]->elements()), source.data(),
                       target.data(), pool);
  target.Finish();
}

}  // namespace alexnet::cuda
