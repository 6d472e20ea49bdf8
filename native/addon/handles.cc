// The handle table's book-keeping.
// Invariant: a slot's generation grows each time its tensor leaves.
#include "addon/handles.h"

#include <cmath>

#include "core/error.h"

namespace alexnet::addon {
namespace {

constexpr double kSlots = 16777216.0;        // 2^24 live tensors
constexpr uint32_t kGenerations = 1u << 29;  // 2^29 * 2^24 = 2^53: the largest exact integer

}  // namespace

Handle HandleTable::Add(Entry entry, uint32_t device) {
  if (free_.empty()) {
    Check(slots_.size() < static_cast<size_t>(kSlots), "more than ", static_cast<size_t>(kSlots),
          " tensors are alive; dispose those that are no longer needed");
    free_.push_back(static_cast<uint32_t>(slots_.size()));
    slots_.emplace_back();
  }
  const uint32_t index = free_.back();
  free_.pop_back();
  slots_[index].entry = std::move(entry);
  slots_[index].device = device;
  ++live_;
  return index + kSlots * slots_[index].generation;
}

const HandleTable::Slot* HandleTable::Locate(Handle handle, uint32_t device) const {
  if (!(handle >= kSlots)) return nullptr;
  const double generation = std::floor(handle / kSlots);
  const auto index = static_cast<size_t>(handle - generation * kSlots);
  if (index >= slots_.size()) return nullptr;
  const Slot& slot = slots_[index];
  const bool current = slot.entry.tensor && slot.generation == generation && slot.device == device;
  return current ? &slot : nullptr;
}

TensorPtr HandleTable::Find(Handle handle, uint32_t device) const {
  const Slot* slot = Locate(handle, device);
  return slot ? slot->entry.tensor : nullptr;
}

HandleTable::Entry HandleTable::Remove(Handle handle, uint32_t device) {
  const Slot* found = Locate(handle, device);
  if (!found) return {};
  const auto index = static_cast<uint32_t>(found - slots_.data());
  Slot& slot = slots_[index];
  Entry entry = std::move(slot.entry);
  slot.entry = {};
  slot.generation = slot.generation + 1 < kGenerations ? slot.generation + 1 : 1;
  free_.push_back(index);
  --live_;
  return entry;
}

std::vector<HandleTable::Entry> HandleTable::RemoveAll(uint32_t device) {
  std::vector<Entry> removed;
  for (uint32_t index = 0; index < slots_.size(); ++index) {
    const Slot& slot = slots_[index];
    if (slot.entry.tensor && slot.device == device)
      removed.push_back(Remove(index + kSlots * slot.generation, device));
  }
  return removed;
}

}  // namespace alexnet::addon
