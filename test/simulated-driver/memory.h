// Memory of the simulated GPU, and pinned memory of the host, each allocation between guard pages.
// Invariant: an address is never given out twice, and what was freed cannot be touched any more.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace simulation {

enum class MemoryKind { kDevice, kPinned };

/** A part of an allocation that some work touched, and when: the stream's number and the position there. */
struct Touch {
  uintptr_t begin;
  uintptr_t end;
  bool write;
  unsigned stream;
  uint64_t position;
  std::string work;
};

struct Allocation {
  uintptr_t begin = 0;
  size_t bytes = 0;
  MemoryKind kind = MemoryKind::kDevice;
  uint64_t number = 0;
  uintptr_t mapping = 0;
  size_t mapped_bytes = 0;
  std::vector<Touch> touches;  // those that later work may have to wait for
};

class Memory {
 public:
  Memory();
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;

  /** Filled with NaN. @returns null if there is no memory */
  void* Allocate(size_t bytes, MemoryKind kind);
  /** @returns false if `address` is not the begin of a live allocation of this kind */
  bool Free(const void* address, MemoryKind kind);
  /** The live allocation that holds [address, address + bytes), or null. */
  Allocation* Find(const void* address, size_t bytes);
  /** What is at an address: for messages. */
  std::string Describe(const void* address) const;
  /** Says where beside the allocation something was written; empty if nowhere. */
  static std::string FindOverrun(const Allocation& allocation);

  size_t device_bytes() const { return device_bytes_; }
  size_t peak_bytes() const { return peak_bytes_; }
  std::vector<const Allocation*> Live() const;
  bool InArena(uintptr_t address) const { return address >= arena_ && address < next_; }

 private:
  std::map<uintptr_t, Allocation> live_;
  std::map<uintptr_t, std::pair<size_t, uint64_t>> freed_;  // begin -> size and number
  uintptr_t arena_;
  uintptr_t next_;
  uint64_t count_ = 0;
  size_t device_bytes_ = 0;
  size_t peak_bytes_ = 0;
};

}  // namespace simulation
