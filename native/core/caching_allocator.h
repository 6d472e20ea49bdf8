// Keeps freed blocks for reuse: a training step asks for the same sizes every time.
// Invariant: used from the queue's thread; only the counters may be read from others.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>
#include <unordered_map>

#include "core/backend.h"

namespace alexnet {

/** Where blocks come from: the host's heap, or a GPU's. */
class BlockSource {
 public:
  BlockSource() = default;
  BlockSource(const BlockSource&) = delete;
  BlockSource& operator=(const BlockSource&) = delete;
  virtual ~BlockSource() = default;
  /** @returns null when there is no memory left. */
  virtual void* Acquire(size_t bytes) = 0;
  virtual void Return(void* block, size_t bytes) = 0;
};

class CachingAllocator {
 public:
  /** @param limit_bytes  most bytes held at a time, cached ones included; 0: no limit */
  CachingAllocator(std::unique_ptr<BlockSource> source, size_t limit_bytes);
  CachingAllocator(const CachingAllocator&) = delete;
  CachingAllocator& operator=(const CachingAllocator&) = delete;
  ~CachingAllocator();

  /** @throws Error with kOutOfMemory, after cached blocks were given up in vain. */
  void* Allocate(size_t bytes);
  void Free(void* block);
  void Trim();
  MemoryStatistics Statistics() const;
  /** Largest number of bytes in use since the last call. */
  size_t TakeRecentPeak();

 private:
  void* AcquireOrTrim(size_t bytes);
  void* FromCache(size_t bytes);

  std::unique_ptr<BlockSource> source_;
  std::multimap<size_t, void*> cached_;
  std::unordered_map<void*, size_t> live_;
  std::atomic<size_t> in_use_{0};
  std::atomic<size_t> cached_bytes_{0};
  std::atomic<size_t> peak_{0};
  size_t recent_peak_ = 0;
  const size_t limit_;
};

}  // namespace alexnet
