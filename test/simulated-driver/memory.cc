// One arena of addresses, most of it out of reach: allocations end where a guard page begins.
// Invariant: between an allocation and its guard pages there is a pattern that a stray write changes.
#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>
#include <stdexcept>
#include <utility>

namespace simulation {
namespace {

constexpr size_t kArenaBytes = size_t{1} << 44;
constexpr size_t kPage = 4096;
constexpr size_t kAlignment = 256;  // what cuMemAlloc promises, and no more
constexpr unsigned char kRedZone = 0xA5;
constexpr unsigned char kPoison = 0xFF;  // a NaN in every floating-point type

size_t RoundUp(size_t value, size_t unit) {
  return (value + unit - 1) / unit * unit;
}

bool Intact(uintptr_t from, uintptr_t to) {
  static const auto pattern = [] {
    std::array<unsigned char, kPage> bytes{};
    bytes.fill(kRedZone);
    return bytes;
  }();
  return std::memcmp(reinterpret_cast<const void*>(from), pattern.data(), to - from) == 0;
}

}  // namespace

Memory::Memory() {
  void* arena = mmap(nullptr, kArenaBytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (arena == MAP_FAILED) throw std::runtime_error("no address space for the simulated GPU's memory");
  arena_ = next_ = reinterpret_cast<uintptr_t>(arena);
}

void* Memory::Allocate(size_t bytes, MemoryKind kind) {
  Allocation allocation;
  const size_t used = RoundUp(bytes, kAlignment);
  allocation.mapped_bytes = RoundUp(used, kPage);
  if (next_ + allocation.mapped_bytes + 2 * kPage > arena_ + kArenaBytes) return nullptr;
  allocation.mapping = next_ + kPage;
  auto* mapping = reinterpret_cast<unsigned char*>(allocation.mapping);
  if (mprotect(mapping, allocation.mapped_bytes, PROT_READ | PROT_WRITE) != 0) return nullptr;
  next_ = allocation.mapping + allocation.mapped_bytes + kPage;
  allocation.begin = allocation.mapping + allocation.mapped_bytes - used;
  allocation.bytes = bytes;
  allocation.kind = kind;
  allocation.number = ++count_;
  std::memset(mapping, kRedZone, allocation.begin - allocation.mapping);
  std::memset(reinterpret_cast<void*>(allocation.begin), kPoison, bytes);
  std::memset(reinterpret_cast<void*>(allocation.begin + bytes), kRedZone, used - bytes);
  if (kind == MemoryKind::kDevice) {
    device_bytes_ += bytes;
    peak_bytes_ = std::max(peak_bytes_, device_bytes_);
  }
  const uintptr_t begin = allocation.begin;
  live_.emplace(begin, std::move(allocation));
  return reinterpret_cast<void*>(begin);
}

bool Memory::Free(const void* address, MemoryKind kind) {
  const auto found = live_.find(reinterpret_cast<uintptr_t>(address));
  if (found == live_.end() || found->second.kind != kind) return false;
  const Allocation& allocation = found->second;
  freed_[allocation.begin] = {allocation.bytes, allocation.number};
  // Mapped anew: the pages go back to the system, the addresses stay taken.
  mmap(reinterpret_cast<void*>(allocation.mapping), allocation.mapped_bytes, PROT_NONE,
       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
  if (kind == MemoryKind::kDevice) device_bytes_ -= allocation.bytes;
  live_.erase(found);
  return true;
}

Allocation* Memory::Find(const void* address, size_t bytes) {
  const auto begin = reinterpret_cast<uintptr_t>(address);
  auto after = live_.upper_bound(begin);
  if (after == live_.begin()) return nullptr;
  Allocation& allocation = std::prev(after)->second;
  const bool inside =
      begin < allocation.begin + allocation.bytes && bytes <= allocation.begin + allocation.bytes - begin;
  return inside ? &allocation : nullptr;
}

std::string Memory::Describe(const void* address) const {
  const auto at = reinterpret_cast<uintptr_t>(address);
  if (!InArena(at)) return address ? "memory of the host that is not pinned" : "a null pointer";
  const auto describe = [at](uintptr_t begin, size_t bytes, uint64_t number, const char* what) {
    return std::to_string(at - begin) + " bytes after the begin of " + what + " " + std::to_string(number) +
           " of " + std::to_string(bytes) + " bytes";
  };
  const auto live = live_.upper_bound(at);
  const auto freed = freed_.upper_bound(at);
  const bool any_live = live != live_.begin();
  const bool any_freed = freed != freed_.begin();
  if (any_live && (!any_freed || std::prev(live)->first > std::prev(freed)->first)) {
    const Allocation& allocation = std::prev(live)->second;
    return describe(allocation.begin, allocation.bytes, allocation.number, "allocation");
  }
  if (!any_freed) return "an address before all allocations";
  const auto& [begin, what] = *std::prev(freed);
  return describe(begin, what.first, what.second, "the freed allocation");
}

std::string Memory::FindOverrun(const Allocation& allocation) {
  const uintptr_t end = allocation.begin + allocation.bytes;
  const char* side = nullptr;
  if (!Intact(allocation.mapping, allocation.begin)) side = "before the begin";
  if (!Intact(end, allocation.mapping + allocation.mapped_bytes)) side = "past the end";
  if (!side) return "";
  return std::string(side) + " of allocation " + std::to_string(allocation.number) + " of " +
         std::to_string(allocation.bytes) + " bytes";
}

std::vector<const Allocation*> Memory::Live() const {
  std::vector<const Allocation*> all;
  for (const auto& [begin, allocation] : live_) all.push_back(&allocation);
  return all;
}

}  // namespace simulation
