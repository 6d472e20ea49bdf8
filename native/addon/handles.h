// Tensors as integers: JavaScript holds a handle, the table holds the tensor.
// Invariant: a handle is used once; a stale one is recognised by its generation, never mistaken for a live
// tensor.
#pragma once

#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace alexnet::addon {

/** index + 2^24 * generation: exact as a JavaScript number. */
using Handle = double;

class HandleTable {
 public:
  /** A tensor that has left the table, with the bytes that its handle kept alive. */
  struct Entry {
    TensorPtr tensor;
    int64_t held_bytes = 0;
  };

  Handle Add(Entry entry, uint32_t device);
  /** @returns null if the handle is stale or foreign. */
  TensorPtr Find(Handle handle, uint32_t device) const;
  /** Takes the tensor out; null if the handle is stale. */
  Entry Remove(Handle handle, uint32_t device);
  /** Takes all tensors of a device out. */
  std::vector<Entry> RemoveAll(uint32_t device);
  size_t live() const { return live_; }

 private:
  struct Slot {
    Entry entry;
    uint32_t generation = 1;
    uint32_t device = 0;
  };
  const Slot* Locate(Handle handle, uint32_t device) const;

  std::vector<Slot> slots_;
  std::vector<uint32_t> free_;
  size_t live_ = 0;
};

}  // namespace alexnet::addon
