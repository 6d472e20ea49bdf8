// Keeps freed memory for reuse, whole or in parts: a training step asks for the same sizes every time, and
// what forward leaves fits what backward needs only if it can be cut and put together again.
// Invariant: used from the queue's thread; only the counters may be read from others.
#pragma once

#include <atomic>
#include <cstddef>
#include <map>
#include <memory>

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
  /** How much to acquire at once for large blocks; 0: as much as is asked for. */
  virtual size_t SegmentBytes() const { return 0; }
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
  /** A piece of what the source gave at once; pieces of one segment that lie side by side can be joined. */
  struct Piece {
    size_t bytes;
    char* segment;
    bool live;
  };
  using Pieces = std::map<char*, Piece>;

  void* AcquireOrTrim(size_t bytes);
  /** A live piece of this size, alone or at the beginning of a new segment; null when there is no memory
   * left. */
  void* AcquireSegment(size_t bytes);
  void* FromCache(size_t bytes);
  void CutTo(Pieces::iterator piece, size_t bytes);
  /** Joins the free piece with the free one after it, if there is one in its segment. */
  void JoinNext(Pieces::iterator piece);
  void Cache(Pieces::iterator piece) { cached_.emplace(piece->second.bytes, piece->first); }
  void Uncache(Pieces::iterator piece);

  std::unique_ptr<BlockSource> source_;
  Pieces pieces_;                        // by address
  std::multimap<size_t, char*> cached_;  // those that are free, by size
  std::atomic<size_t> in_use_{0};
  std::atomic<size_t> cached_bytes_{0};
  std::atomic<size_t> peak_{0};
  size_t recent_peak_ = 0;
  const size_t limit_;
};

}  // namespace alexnet
