// Conversions between element types, through float32.
// Invariant: the rules are those of native/cpu/cast.cc.
#include "cuda/kernels.h"

namespace alexnet::cuda {

void Cast(CudaBackend& backend, OpCall& call) {
  const Tensor& x = *call.inputs[0];
  Tensor& y = *call.outputs[0];
  const Buffer from = AsIs(x);
  if (x.dtype == DType::kOpaque || y.dtype == DType::kOpaque)
    throw Error(ErrorCode::kUnsupported, "opaque state cannot be cast");
  // Of one type, memory is shared: not even a NaN's payload changes.
  y.storage = std::make_shared<CudaStorage>(Convert(backend, from, x.elements(), x.dtype, y.dtype));
}

}  // namespace alexnet::cuda
