// Pinned blocks, each with an event that says when the device is done with it.
// Invariant: at most kMostSlots blocks of at most kChunk bytes; larger copies go in chunks.
#include "cuda/staging.h"

#include <algorithm>
#include <cstring>

namespace alexnet::cuda {
namespace {

constexpr size_t kChunk = size_t{32} << 20;
constexpr size_t kSmallest = size_t{64} << 10;
constexpr size_t kMostSlots = 16;

size_t RoundUp(size_t bytes) {
  size_t rounded = kSmallest;
  while (rounded < bytes) rounded *= 2;
  return rounded;
}

}  // namespace

Staging::~Staging() {
  for (const Slot& slot : slots_) Free(slot);
}

void Staging::Free(const Slot& slot) const {
  gpu_.libraries().driver.cuEventDestroy(slot.done);
  gpu_.libraries().driver.cuMemFreeHost(slot.block);
}

bool Staging::IsFree(const Slot& slot) const {
  return gpu_.libraries().driver.cuEventQuery(slot.done) == CUDA_SUCCESS;
}

Staging::Slot& Staging::Take(size_t bytes) {
  const Libraries& libraries = gpu_.libraries();
  const size_t wanted = RoundUp(bytes);
  const auto free = std::find_if(slots_.begin(), slots_.end(),
                                 [&](const Slot& slot) { return slot.bytes == wanted && IsFree(slot); });
  if (free != slots_.end()) return *free;
  if (slots_.size() >= kMostSlots) {
    ALEXNET_DRIVER_CALL(libraries, cuEventSynchronize(slots_.front().done));
    Free(slots_.front());
    slots_.erase(slots_.begin());
  }
  Slot slot;
  slot.bytes = wanted;
  ALEXNET_DRIVER_CALL(libraries, cuMemHostAlloc(&slot.block, wanted, 0));
  const CUresult made =
      libraries.driver.cuEventCreate(&slot.done, CU_EVENT_DISABLE_TIMING | CU_EVENT_BLOCKING_SYNC);
  if (made != CUDA_SUCCESS) libraries.driver.cuMemFreeHost(slot.block);
  libraries.CheckDriver(made, "cuEventCreate");
  slots_.push_back(slot);
  return slots_.back();
}

void Staging::Upload(CUdeviceptr target, const void* source, size_t bytes, CUstream stream) {
  const Libraries& libraries = gpu_.libraries();
  const auto* const from = static_cast<const unsigned char*>(source);
  for (size_t done = 0; done < bytes; done += kChunk) {
    const size_t part = std::min(kChunk, bytes - done);
    const Slot& slot = Take(part);
    std::memcpy(slot.block, from + done, part);
    ALEXNET_DRIVER_CALL(libraries, cuMemcpyHtoDAsync(target + done, slot.block, part, stream));
    ALEXNET_DRIVER_CALL(libraries, cuEventRecord(slot.done, stream));
  }
}

void Staging::Download(void* target, CUdeviceptr source, size_t bytes) {
  const Libraries& libraries = gpu_.libraries();
  auto* const to = static_cast<unsigned char*>(target);
  for (size_t done = 0; done < bytes; done += kChunk) {
    const size_t part = std::min(kChunk, bytes - done);
    const Slot& slot = Take(part);
    ALEXNET_DRIVER_CALL(libraries, cuMemcpyDtoHAsync(slot.block, source + done, part, gpu_.stream()));
    ALEXNET_DRIVER_CALL(libraries, cuEventRecord(slot.done, gpu_.stream()));
    ALEXNET_DRIVER_CALL(libraries, cuEventSynchronize(slot.done));
    std::memcpy(to + done, slot.block, part);
  }
}

void Staging::Trim() {
  const auto rest =
      std::partition(slots_.begin(), slots_.end(), [&](const Slot& slot) { return !IsFree(slot); });
  for (auto slot = rest; slot != slots_.end(); ++slot) Free(*slot);
  slots_.erase(rest, slots_.end());
}

}  // namespace alexnet::cuda
