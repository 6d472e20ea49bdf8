// Copies between host and device through pinned memory, so that the device fetches while the host goes on.
// Invariant: a pinned block is used again only when the device is done with it.
#pragma once

#include <cstddef>
#include <vector>

#include "cuda/gpu.h"

namespace alexnet::cuda {

class Staging {
 public:
  explicit Staging(const Gpu& gpu) : gpu_(gpu) {}
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;
  ~Staging();

  /** Returns when `source` has been read; the device has it when work put on `stream` after this runs. */
  void Upload(CUdeviceptr target, const void* source, size_t bytes, CUstream stream);
  /** Returns when `target` is filled, after all work put on the device's stream before. */
  void Download(void* target, CUdeviceptr source, size_t bytes);
  /** Frees the blocks that are not in use. */
  void Trim();

 private:
  struct Slot {
    void* block = nullptr;
    size_t bytes = 0;
    CUevent done = nullptr;
  };

  Slot& Take(size_t bytes);
  bool IsFree(const Slot& slot) const;
  void Free(const Slot& slot) const;

  const Gpu& gpu_;
  std::vector<Slot> slots_;
};

}  // namespace alexnet::cuda
