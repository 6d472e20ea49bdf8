// Best fit over freed blocks, with a bound on waste, then the source, then the source again with the cache
// emptied. Invariant: in_use_ + cached_bytes_ is what the source has handed out.
#include "core/caching_allocator.h"

#include <algorithm>

#include "core/error.h"

namespace alexnet {
namespace {

// Small requests are rounded up to a cache line, large ones to pages, so that near-equal sizes share blocks.
size_t RoundUp(size_t bytes) {
  const size_t unit = bytes < (1u << 20) ? 64 : 4096;
  return (std::max<size_t>(bytes, 1) + unit - 1) / unit * unit;
}

std::string Mebibytes(size_t bytes) {
  return Message(bytes >> 20, " MiB");
}

}  // namespace

CachingAllocator::CachingAllocator(std::unique_ptr<BlockSource> source, size_t limit_bytes)
    : source_(std::move(source)), limit_(limit_bytes) {}

CachingAllocator::~CachingAllocator() {
  Trim();
}

void* CachingAllocator::FromCache(size_t bytes) {
  // A block up to an eighth larger than asked for is taken; beyond that the waste would outgrow the saving.
  const auto found = cached_.lower_bound(bytes);
  if (found == cached_.end() || found->first > bytes + bytes / 8) return nullptr;
  void* block = found->second;
  live_.emplace(block, found->first);
  cached_bytes_ -= found->first;
  in_use_ += found->first;
  cached_.erase(found);
  return block;
}

void* CachingAllocator::AcquireOrTrim(size_t bytes) {
  const auto over_limit = [&] { return limit_ != 0 && in_use_ + cached_bytes_ + bytes > limit_; };
  if (over_limit()) Trim();
  if (over_limit()) return nullptr;
  void* block = source_->Acquire(bytes);
  if (block == nullptr) {
    Trim();
    block = source_->Acquire(bytes);
  }
  return block;
}

void* CachingAllocator::Allocate(size_t bytes) {
  const size_t rounded = RoundUp(bytes);
  void* block = FromCache(rounded);
  if (block == nullptr) {
    block = AcquireOrTrim(rounded);
    if (block == nullptr) {
      throw Error(ErrorCode::kOutOfMemory,
                  Message("out of memory: asked for ", Mebibytes(rounded), " with ", Mebibytes(in_use_),
                          " in use", limit_ ? Message(" and a limit of ", Mebibytes(limit_)) : std::string(),
                          "; try a smaller batch, or dispose tensors that are no longer needed"));
    }
    live_.emplace(block, rounded);
    in_use_ += rounded;
  }
  peak_ = std::max(peak_.load(), in_use_.load());
  recent_peak_ = std::max(recent_peak_, in_use_.load());
  return block;
}

void CachingAllocator::Free(void* block) {
  const auto found = live_.find(block);
  if (found == live_.end()) return;
  in_use_ -= found->second;
  cached_bytes_ += found->second;
  cached_.emplace(found->second, block);
  live_.erase(found);
}

void CachingAllocator::Trim() {
  for (const auto& [bytes, block] : cached_) {
    source_->Return(block, bytes);
    cached_bytes_ -= bytes;
  }
  cached_.clear();
}

size_t CachingAllocator::TakeRecentPeak() {
  const size_t peak = recent_peak_;
  recent_peak_ = in_use_;
  return peak;
}

MemoryStatistics CachingAllocator::Statistics() const {
  return {in_use_, cached_bytes_, peak_, limit_};
}

}  // namespace alexnet
