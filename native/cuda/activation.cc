// ReLU, tanh and sigmoid on cuDNN, each differentiated from its output.
// Invariant: the output has the input's order; elements are a row of one long picture.
#include "cuda/descriptors.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

class ActivationDescriptor : public Descriptor<cudnnActivationDescriptor_t> {
 public:
  ActivationDescriptor(const Libraries& libraries, cudnnActivationMode_t mode)
      : Descriptor(libraries, libraries.cudnn.cudnnCreateActivationDescriptor,
                   libraries.cudnn.cudnnDestroyActivationDescriptor) {
    ALEXNET_CUDNN_CALL(libraries, cudnnSetActivationDescriptor(get(), mode, CUDNN_PROPAGATE_NAN, 0));
  }
};

TensorDescriptor Elements(const Libraries& libraries, const Tensor& tensor) {
  return {libraries, tensor.dtype, {1, 1, 1, tensor.elements()}, Order::kRowMajor};
}

void Forward(CudaBackend& backend, OpCall& call, cudnnActivationMode_t mode) {
  const Libraries& libraries = backend.gpu().libraries();
  const Buffer x = AsIs(*call.inputs[0]);
  const Buffer y = backend.Create(*call.outputs[0], x.order);
  const ActivationDescriptor activation(libraries, mode);
  const TensorDescriptor elements = Elements(libraries, *call.inputs[0]);
  const Factors factors;
  ALEXNET_CUDNN_CALL(
      libraries, cudnnActivationForward(backend.gpu().cudnn(), activation.get(), &factors.one, elements.get(),
                                        x.data(), &factors.zero, elements.get(), y.data()));
}

// cuDNN asks for x too, and for these three functions does not need it: y stands in.
void Backward(CudaBackend& backend, OpCall& call, cudnnActivationMode_t mode) {
  const Libraries& libraries = backend.gpu().libraries();
  const Buffer y = AsIs(*call.inputs[0]);
  const Buffer dy = In(backend, *call.inputs[1], y.order);
  const Buffer dx = backend.Create(*call.outputs[0], y.order);
  const ActivationDescriptor activation(libraries, mode);
  const TensorDescriptor elements = Elements(libraries, *call.inputs[0]);
  const Factors factors;
  ALEXNET_CUDNN_CALL(
      libraries, cudnnActivationBackward(backend.gpu().cudnn(), activation.get(), &factors.one,
                                         elements.get(), y.data(), elements.get(), dy.data(), elements.get(),
                                         y.data(), &factors.zero, elements.get(), dx.data()));
}

}  // namespace

void ReluForward(CudaBackend& backend, OpCall& call) {
  Forward(backend, call, CUDNN_ACTIVATION_RELU);
}
void ReluBackward(CudaBackend& backend, OpCall& call) {
  Backward(backend, call, CUDNN_ACTIVATION_RELU);
}
void TanhForward(CudaBackend& backend, OpCall& call) {
  Forward(backend, call, CUDNN_ACTIVATION_TANH);
}
void TanhBackward(CudaBackend& backend, OpCall& call) {
  Backward(backend, call, CUDNN_ACTIVATION_TANH);
}
void SigmoidForward(CudaBackend& backend, OpCall& call) {
  Forward(backend, call, CUDNN_ACTIVATION_SIGMOID);
}
void SigmoidBackward(CudaBackend& backend, OpCall& call) {
  Backward(backend, call, CUDNN_ACTIVATION_SIGMOID);
}

}  // namespace alexnet::cuda
