// Local response normalisation across channels: cuDNN's where it has the type and the window, else an own
// kernel.
// Invariant: alpha weighs the plain sum, where cuDNN divides it by the window's size; the backward op has x
// only, so cuDNN's, which wants y too, computes y again, in float32: a y of 16 bits costs dx its accuracy.
#include <algorithm>

#include "cuda/descriptors.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

struct Lrn {
  int64_t size, groups;
  double alpha, beta, k;

  explicit Lrn(const OpCall& call)
      : size(
            std::min(call.Integer("size"), 2 * call.inputs[0]->shape[1] - 1)),  // wider sees no more channels
        groups(call.Integer("channelGroups")),
        alpha(call.Number("alpha")),
        beta(call.Number("beta")),
        k(call.Number("k")) {}

  bool IsCudnns(DType dtype) const {
    return groups == 1 && dtype != DType::kBFloat16 && size >= CUDNN_LRN_MIN_N && size <= CUDNN_LRN_MAX_N &&
           k >= CUDNN_LRN_MIN_K && beta >= CUDNN_LRN_MIN_BETA;
  }
  LrnArguments Arguments(const Shape& shape) const {
    Index(ElementCount(shape));
    return {Index(shape[0] * shape[2] * shape[3]),
            Index(shape[1]),
            Index(shape[1] / groups),
            Index(size),
            static_cast<float>(alpha),
            static_cast<float>(beta),
            static_cast<float>(k)};
  }
};

class LrnDescriptor : public Descriptor<cudnnLRNDescriptor_t> {
 public:
  LrnDescriptor(const Libraries& libraries, const Lrn& lrn)
      : Descriptor(libraries, libraries.cudnn.cudnnCreateLRNDescriptor,
                   libraries.cudnn.cudnnDestroyLRNDescriptor) {
    ALEXNET_CUDNN_CALL(libraries,
                       cudnnSetLRNDescriptor(get(), static_cast<unsigned>(lrn.size),
                                             lrn.alpha * static_cast<double>(lrn.size), lrn.beta, lrn.k));
  }
};

void CudnnForward(CudaBackend& backend, const Lrn& lrn, const Tensor& tensor, const Buffer& x,
                  const Buffer& y) {
  const Libraries& libraries = backend.gpu().libraries();
  const LrnDescriptor descriptor(libraries, lrn);
  const TensorDescriptor pictures(libraries, tensor.dtype, tensor.shape, Order::kChannelsLast);
  const Factors factors;
  ALEXNET_CUDNN_CALL(libraries,
                     cudnnLRNCrossChannelForward(backend.gpu().cudnn(), descriptor.get(),
                                                 CUDNN_LRN_CROSS_CHANNEL_DIM1, &factors.one, pictures.get(),
                                                 x.data(), &factors.zero, pictures.get(), y.data()));
}

void CudnnBackward(CudaBackend& backend, const Lrn& lrn, const Tensor& tensor, const Buffer& x,
                   const Buffer& dy, const Buffer& dx) {
  const Libraries& libraries = backend.gpu().libraries();
  const Buffer y = {Order::kChannelsLast, backend.Allocate(tensor.bytes())};
  CudnnForward(backend, lrn, tensor, x, y);
  const LrnDescriptor descriptor(libraries, lrn);
  const TensorDescriptor pictures(libraries, tensor.dtype, tensor.shape, Order::kChannelsLast);
  const Factors factors;
  ALEXNET_CUDNN_CALL(libraries, cudnnLRNCrossChannelBackward(
                                    backend.gpu().cudnn(), descriptor.get(), CUDNN_LRN_CROSS_CHANNEL_DIM1,
                                    &factors.one, pictures.get(), y.data(), pictures.get(), dy.data(),
                                    pictures.get(), x.data(), &factors.zero, pictures.get(), dx.data()));
}

}  // namespace

void LrnForward(CudaBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Tensor& tensor = *call.inputs[0];
  const Buffer x = Pictures(backend, tensor);
  const Buffer y = backend.Create(*call.outputs[0], Order::kChannelsLast);
  if (lrn.IsCudnns(tensor.dtype)) return CudnnForward(backend, lrn, tensor, x, y);
  backend.gpu().Launch(Typed("lrn_forward", tensor.dtype), backend.gpu().Spread(tensor.elements()), x.data(),
                       y.data(), lrn.Arguments(tensor.shape));
}

void LrnBackward(CudaBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Tensor& tensor = *call.inputs[0];
  const Buffer x = Pictures(backend, tensor), dy = Pictures(backend, *call.inputs[1]);
  const Buffer dx = backend.Create(*call.outputs[0], Order::kChannelsLast);
  if (tensor.dtype == DType::kFloat32 && lrn.IsCudnns(tensor.dtype))
    return CudnnBackward(backend, lrn, tensor, x, dy, dx);
  backend.gpu().Launch(Typed("lrn_backward", tensor.dtype), backend.gpu().Spread(tensor.elements()), x.data(),
                       dy.data(), dx.data(), lrn.Arguments(tensor.shape));
}

}  // namespace alexnet::cuda
