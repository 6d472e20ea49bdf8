// Parameter updates that were asked for and not yet launched: a step's updates become a few launches.
// Invariant: nothing else runs on the device between an update's request and its launch.
#pragma once

#include <vector>

#include "core/tensor.h"
#include "cuda/gpu.h"
#include "cuda/kernel_arguments.h"

namespace alexnet::cuda {

class Updates {
 public:
  explicit Updates(const Gpu& gpu) : gpu_(gpu) {}
  Updates(const Updates&) = delete;
  Updates& operator=(const Updates&) = delete;
  ~Updates() = default;

  /** @param tensors  what the entry's addresses belong to; held until the launch */
  void Add(const SgdEntry& entry, std::vector<TensorPtr> tensors);
  /** Whether an update of this tensor is waiting. */
  bool Waits(const TensorPtr& tensor) const;
  void Launch();

 private:
  const Gpu& gpu_;
  std::vector<SgdEntry> entries_;
  std::vector<TensorPtr> tensors_;
};

}  // namespace alexnet::cuda
