// Where large uploads land: two device blocks filled on the upload stream while the other stream computes.
// Invariant: a block is filled again only after the copy out of it is done; no stream waits longer than for
// that.
#pragma once

#include <array>
#include <cstddef>

#include "core/caching_allocator.h"
#include "cuda/gpu.h"
#include "cuda/staging.h"

namespace alexnet::cuda {

class Landing {
 public:
  Landing(const Gpu& gpu, Staging& staging, CachingAllocator& allocator)
      : gpu_(gpu), staging_(staging), allocator_(allocator) {}
  Landing(const Landing&) = delete;
  Landing& operator=(const Landing&) = delete;
  ~Landing();

  /** Brings host bytes into `target`, in order with the work that uses it. */
  void Upload(CUdeviceptr target, const void* source, size_t bytes);
  /** Gives the blocks back. */
  void Trim();

 private:
  struct Place {
    void* block = nullptr;
    size_t bytes = 0;
    CUevent filled = nullptr, emptied = nullptr;
  };

  void Prepare(Place& place, size_t bytes);

  const Gpu& gpu_;
  Staging& staging_;
  CachingAllocator& allocator_;
  std::array<Place, 2> places_;
  size_t next_ = 0;
};

}  // namespace alexnet::cuda
