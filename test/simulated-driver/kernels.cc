// Compiles native/cuda/kernels.cu for the host, as it is, and registers what native/cuda/kernels.def lists.
// Invariant: nothing of a kernel is written here; a kernel that is listed and missing does not compile.
#include "cuda_language.h"
// The language comes first.
#include "cuda/kernels.cu"
#include "kernel_registry.h"

namespace simulation {

template <>
void VisitPointers(const alexnet::cuda::SgdBatch& batch, const PointerVisitor& visitor) {
  for (const auto& entry : batch.entries) {
    if (entry.elements == 0) continue;
    const auto elements = static_cast<size_t>(entry.elements);
    visitor(DescribePointer(entry.w, elements * sizeof *entry.w));
    visitor(DescribePointer(entry.v, elements * sizeof *entry.v));
    visitor(DescribePointer(entry.dw, elements * sizeof *entry.dw));
    visitor(DescribePointer(entry.low, elements * sizeof *entry.low));
  }
}

std::map<std::string, Kernel>& Kernels() {
#define ALEXNET_KERNEL(name) {#name, KernelCaller<alexnet::cuda::name>::Describe(#name)},
#define ALEXNET_TYPED_KERNEL(name) \
  ALEXNET_KERNEL(name##_f32) ALEXNET_KERNEL(name##_f16) ALEXNET_KERNEL(name##_bf16)
  static std::map<std::string, Kernel> kernels = {
#include "cuda/kernels.def"
  };
  return kernels;
}

}  // namespace simulation
