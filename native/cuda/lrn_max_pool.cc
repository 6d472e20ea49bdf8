// Response normalisation and max pooling as one op: here, the ops that it is made of.
// Invariant: see core/lrn_max_pool.h.
#include "core/lrn_max_pool.h"

#include "cuda/kernels.h"

namespace alexnet::cuda {

void LrnMaxPool2dForward(CudaBackend& backend, OpCall& call) {
  SplitLrnMaxPool2dForward(backend, call);
}
void LrnMaxPool2dBackward(CudaBackend& backend, OpCall& call) {
  SplitLrnMaxPool2dBackward(backend, call);
}

}  // namespace alexnet::cuda
