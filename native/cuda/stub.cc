// The CUDA backend of an addon that was built without CUDA's headers.
// Invariant: nothing of CUDA is included or opened.
#include "core/error.h"
#include "cuda/create.h"

namespace alexnet::cuda {

std::unique_ptr<Backend> CreateBackend(const CudaOptions&) {
  throw Error(
      ErrorCode::kUnsupported,
      "this addon was built without CUDA. Use the 'cpu' device, or build it where pip can fetch CUDA's "
      "headers: npm run build:native -- -DALEXNET_CUDA=ON");
}

}  // namespace alexnet::cuda
