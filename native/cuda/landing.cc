// The two blocks and their events.
// Invariant: small uploads, and ones too large to keep a second copy of, go straight to their target.
#include "cuda/landing.h"

namespace alexnet::cuda {
namespace {

constexpr size_t kSmallest = size_t{1} << 20;
constexpr size_t kLargest = size_t{256} << 20;

}  // namespace

Landing::~Landing() {
  for (const Place& place : places_) {
    if (place.filled != nullptr) gpu_.libraries().driver.cuEventDestroy(place.filled);
    if (place.emptied != nullptr) gpu_.libraries().driver.cuEventDestroy(place.emptied);
    if (place.block != nullptr) allocator_.Free(place.block);
  }
}

void Landing::Prepare(Place& place, size_t bytes) {
  const Libraries& libraries = gpu_.libraries();
  if (place.filled == nullptr)
    ALEXNET_DRIVER_CALL(libraries, cuEventCreate(&place.filled, CU_EVENT_DISABLE_TIMING));
  if (place.emptied == nullptr)
    ALEXNET_DRIVER_CALL(libraries, cuEventCreate(&place.emptied, CU_EVENT_DISABLE_TIMING));
  if (place.bytes >= bytes) return;
  if (place.block != nullptr) allocator_.Free(place.block);
  place.block = nullptr;
  place.bytes = 0;
  place.block = allocator_.Allocate(bytes);
  place.bytes = bytes;
  // Whoever had the block before may still be using it.
  ALEXNET_DRIVER_CALL(libraries, cuEventRecord(place.emptied, gpu_.stream()));
}

void Landing::Upload(CUdeviceptr target, const void* source, size_t bytes) {
  const Libraries& libraries = gpu_.libraries();
  if (bytes < kSmallest || bytes > kLargest) return staging_.Upload(target, source, bytes, gpu_.stream());
  Place& place = places_[next_++ % places_.size()];
  Prepare(place, bytes);
  const auto landing = reinterpret_cast<CUdeviceptr>(place.block);
  ALEXNET_DRIVER_CALL(libraries, cuStreamWaitEvent(gpu_.upload_stream(), place.emptied, 0));
  staging_.Upload(landing, source, bytes, gpu_.upload_stream());
  ALEXNET_DRIVER_CALL(libraries, cuEventRecord(place.filled, gpu_.upload_stream()));
  ALEXNET_DRIVER_CALL(libraries, cuStreamWaitEvent(gpu_.stream(), place.filled, 0));
  ALEXNET_DRIVER_CALL(libraries, cuMemcpyDtoDAsync(target, landing, bytes, gpu_.stream()));
  ALEXNET_DRIVER_CALL(libraries, cuEventRecord(place.emptied, gpu_.stream()));
}

void Landing::Trim() {
  for (Place& place : places_) {
    if (place.block == nullptr) continue;
    // Its last copy out is on the stream already, before whatever gets the block next.
    allocator_.Free(place.block);
    place.block = nullptr;
    place.bytes = 0;
  }
}

}  // namespace alexnet::cuda
