// cuDNN's descriptors, made for a call and destroyed with it.
// Invariant: a descriptor that could not be set is destroyed all the same.
#pragma once

#include "cuda/backend.h"

namespace alexnet::cuda {

template <typename Handle>
class Descriptor {
 public:
  using Maker = cudnnStatus_t (*)(Handle*);
  using Destroyer = cudnnStatus_t (*)(Handle);

  Descriptor(const Libraries& libraries, Maker make, Destroyer destroy) : destroy_(destroy) {
    libraries.CheckCudnn(make(&handle_), "creating a cuDNN descriptor");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { destroy_(handle_); }

  Handle get() const { return handle_; }

 private:
  Handle handle_ = nullptr;
  Destroyer destroy_;
};

/** A tensor as it lies in a buffer. */
class TensorDescriptor : public Descriptor<cudnnTensorDescriptor_t> {
 public:
  /** @param shape of rank 4 */
  TensorDescriptor(const Libraries& libraries, DType dtype, const Shape& shape, Order order)
      : Descriptor(libraries, libraries.cudnn.cudnnCreateTensorDescriptor,
                   libraries.cudnn.cudnnDestroyTensorDescriptor) {
    const int32_t n = Index(shape[0]), c = Index(shape[1]), h = Index(shape[2]), w = Index(shape[3]);
    const int32_t image = Index(int64_t{c} * h * w);
    const bool last = order == Order::kChannelsLast;
    ALEXNET_CUDNN_CALL(
        libraries, cudnnSetTensor4dDescriptorEx(get(), CudnnType(dtype), n, c, h, w, image, last ? 1 : h * w,
                                                last ? w * c : w, last ? c : 1));
  }
};

/** The factors that cuDNN takes: y = 1 * result + 0 * y. */
struct Factors {
  float one = 1, zero = 0;
};

}  // namespace alexnet::cuda
