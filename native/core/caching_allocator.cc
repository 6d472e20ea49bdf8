// Best fit over freed pieces, then the source, then the source again with the cache emptied.
// Invariant: in_use_ + cached_bytes_ is what the source has handed out; no two free pieces of a segment lie
// side by side.
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

// Pieces smaller than this are neither cut off nor cut: they would only keep larger ones from being joined
// again.
constexpr size_t kSmallestCut = size_t{1} << 20;

// Blocks of this size and more are cut out of segments of the source's size.
constexpr size_t kSharesSegment = size_t{16} << 20;

std::string Mebibytes(size_t bytes) {
  return Message(bytes >> 20, " MiB");
}

}  // namespace

CachingAllocator::CachingAllocator(std::unique_ptr<BlockSource> source, size_t limit_bytes)
    : source_(std::move(source)), limit_(limit_bytes) {}

CachingAllocator::~CachingAllocator() {
  Trim();
}

void CachingAllocator::Uncache(Pieces::iterator piece) {
  auto [at, end] = cached_.equal_range(piece->second.bytes);
  while (at != end && at->second != piece->first) ++at;
  if (at != end) cached_.erase(at);
}

void CachingAllocator::CutTo(Pieces::iterator piece, size_t bytes) {
  const size_t rest = piece->second.bytes - bytes;
  piece->second.bytes = bytes;
  Cache(pieces_.emplace(piece->first + bytes, Piece{rest, piece->second.segment, false}).first);
}

void* CachingAllocator::FromCache(size_t bytes) {
  const auto found = cached_.lower_bound(bytes);
  if (found == cached_.end()) return nullptr;
  const bool cuts = bytes >= kSmallestCut && found->first - bytes >= kSmallestCut;
  // What cannot be cut is taken whole if that wastes an eighth at most, or little.
  if (!cuts && found->first > bytes + std::max(bytes / 8, bytes >= kSmallestCut ? kSmallestCut : 0))
    return nullptr;
  const auto piece = pieces_.find(found->second);
  cached_.erase(found);
  if (cuts) CutTo(piece, bytes);
  piece->second.live = true;
  cached_bytes_ -= piece->second.bytes;
  in_use_ += piece->second.bytes;
  return piece->first;
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

void* CachingAllocator::AcquireSegment(size_t bytes) {
  // Much is asked for at once where large blocks are wanted, so that blocks of many sizes find room in it by
  // turns.
  const size_t segment = bytes >= kSharesSegment ? std::max(bytes, source_->SegmentBytes()) : bytes;
  const bool fits = limit_ == 0 || in_use_ + cached_bytes_ + segment <= limit_;
  void* block = fits && segment > bytes ? source_->Acquire(segment) : nullptr;
  const size_t held = block != nullptr ? segment : bytes;
  if (block == nullptr) block = AcquireOrTrim(bytes);
  if (block == nullptr) return nullptr;
  auto* const at = static_cast<char*>(block);
  const auto piece = pieces_.emplace(at, Piece{held, at, true}).first;
  if (held > bytes) {
    cached_bytes_ += held - bytes;
    CutTo(piece, bytes);
  }
  return block;
}

void* CachingAllocator::Allocate(size_t bytes) {
  const size_t rounded = RoundUp(bytes);
  void* block = FromCache(rounded);
  if (block == nullptr) {
    block = AcquireSegment(rounded);
    if (block == nullptr) {
      throw Error(ErrorCode::kOutOfMemory,
                  Message("out of memory: asked for ", Mebibytes(rounded), " with ", Mebibytes(in_use_),
                          " in use", limit_ ? Message(" and a limit of ", Mebibytes(limit_)) : std::string(),
                          "; try a smaller batch, or dispose tensors that are no longer needed"));
    }
    in_use_ += rounded;
  }
  peak_ = std::max(peak_.load(), in_use_.load());
  recent_peak_ = std::max(recent_peak_, in_use_.load());
  return block;
}

void CachingAllocator::JoinNext(Pieces::iterator piece) {
  const auto next = std::next(piece);
  if (next == pieces_.end() || next->second.live || next->second.segment != piece->second.segment) return;
  Uncache(next);
  piece->second.bytes += next->second.bytes;
  pieces_.erase(next);
}

void CachingAllocator::Free(void* block) {
  auto piece = pieces_.find(static_cast<char*>(block));
  if (piece == pieces_.end() || !piece->second.live) return;
  piece->second.live = false;
  in_use_ -= piece->second.bytes;
  cached_bytes_ += piece->second.bytes;
  JoinNext(piece);
  if (piece->first != piece->second.segment) {
    const auto before = std::prev(piece);
    if (!before->second.live) {
      Uncache(before);
      JoinNext(before);
      piece = before;
    }
  }
  Cache(piece);
}

// Only whole segments can go back.
void CachingAllocator::Trim() {
  for (auto piece = pieces_.begin(); piece != pieces_.end();) {
    const auto next = std::next(piece);
    const auto& [at, bytes] = std::pair(piece->first, piece->second.bytes);
    const bool ends = next == pieces_.end() || next->second.segment != piece->second.segment;
    if (!piece->second.live && at == piece->second.segment && ends) {
      Uncache(piece);
      cached_bytes_ -= bytes;
      source_->Return(at, bytes);
      pieces_.erase(piece);
    }
    piece = next;
  }
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
