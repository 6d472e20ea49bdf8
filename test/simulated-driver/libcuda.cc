// The part of libcuda.so.1 that native/cuda/driver.def names, over the simulated machine.
// Invariant: signatures are those of the real cuda.h; an argument that the real driver refuses is refused
// here.
#include <algorithm>
#include <atomic>
#include <cstring>
#include <utility>

#include "cuda/driver_api.h"
#include "fibers.h"
#include "kernel_registry.h"
#include "machine.h"

namespace simulation {
namespace {

constexpr const char* kDeviceName = "Simulated GPU (no card)";

thread_local bool context_current = false;
// The one context: only its address is used.
int context_object;

struct Module {
  int unused;
};

struct GraphExec {
  std::vector<Work> work;
};

/** The status that a call begins with: injected, or that of a lost context. */
CUresult Begin(const char* call, bool needs_context) {
  Machine& machine = Machine::Get();
  if (const int injected = machine.Enter(call)) return static_cast<CUresult>(injected);
  if (!needs_context) return CUDA_SUCCESS;
  if (machine.context_users == 0 || !context_current) return CUDA_ERROR_INVALID_CONTEXT;
  return machine.sticky;
}

#define ENTER_WITHOUT_CONTEXT(call)                                \
  Machine& machine = Machine::Get();                               \
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex); \
  if (const CUresult status = Begin(#call, false); status != CUDA_SUCCESS) return status

#define ENTER(call)                                                \
  Machine& machine = Machine::Get();                               \
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex); \
  if (const CUresult status = Begin(#call, true); status != CUDA_SUCCESS) return status

#define CHECK_HANDLE(handle, kind, call) \
  if (!machine.Check(handle, kind, call)) return CUDA_ERROR_INVALID_HANDLE

template <typename Handle, typename Object>
void Destroy(Handle handle) {
  Machine::Get().Drop(handle);
  delete reinterpret_cast<Object*>(handle);
}

/** A call that may not be made while a stream is captured: the capture is lost with it. */
bool AnyCapture(const Stream& stream) {
  return stream.capture != nullptr;
}

struct ErrorText {
  CUresult code;
  const char* name;
  const char* text;
};

constexpr ErrorText kErrors[] = {
    {CUDA_SUCCESS, "CUDA_SUCCESS", "no error"},
    {CUDA_ERROR_INVALID_VALUE, "CUDA_ERROR_INVALID_VALUE", "invalid argument"},
    {CUDA_ERROR_OUT_OF_MEMORY, "CUDA_ERROR_OUT_OF_MEMORY", "out of memory"},
    {CUDA_ERROR_NOT_INITIALIZED, "CUDA_ERROR_NOT_INITIALIZED", "initialization error"},
    {CUDA_ERROR_NO_DEVICE, "CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"},
    {CUDA_ERROR_INVALID_DEVICE, "CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"},
    {CUDA_ERROR_INVALID_IMAGE, "CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"},
    {CUDA_ERROR_INVALID_CONTEXT, "CUDA_ERROR_INVALID_CONTEXT", "invalid device context"},
    {CUDA_ERROR_NO_BINARY_FOR_GPU, "CUDA_ERROR_NO_BINARY_FOR_GPU",
     "no kernel image is available for execution on the device"},
    {CUDA_ERROR_ECC_UNCORRECTABLE, "CUDA_ERROR_ECC_UNCORRECTABLE", "uncorrectable ECC error encountered"},
    {CUDA_ERROR_INVALID_HANDLE, "CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"},
    {CUDA_ERROR_NOT_FOUND, "CUDA_ERROR_NOT_FOUND", "named symbol not found"},
    {CUDA_ERROR_NOT_READY, "CUDA_ERROR_NOT_READY", "device not ready"},
    {CUDA_ERROR_ILLEGAL_ADDRESS, "CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"},
    {CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES, "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES",
     "too many resources requested for launch"},
    {CUDA_ERROR_LAUNCH_TIMEOUT, "CUDA_ERROR_LAUNCH_TIMEOUT", "the launch timed out and was terminated"},
    {CUDA_ERROR_LAUNCH_FAILED, "CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"},
    {CUDA_ERROR_NOT_SUPPORTED, "CUDA_ERROR_NOT_SUPPORTED", "operation not supported"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED",
     "operation not permitted when stream is capturing"},
    {CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED",
     "operation failed due to a previous error during capture"},
    {CUDA_ERROR_STREAM_CAPTURE_ISOLATION, "CUDA_ERROR_STREAM_CAPTURE_ISOLATION",
     "dependency created on uncaptured work in another stream"},
    {CUDA_ERROR_DEVICE_UNAVAILABLE, "CUDA_ERROR_DEVICE_UNAVAILABLE", "device(s) busy or unavailable"},
};

const ErrorText* FindError(CUresult code) {
  const auto* found = std::find_if(std::begin(kErrors), std::end(kErrors),
                                   [code](const ErrorText& e) { return e.code == code; });
  return found == std::end(kErrors) ? nullptr : found;
}

/** Device attributes, as a card of the chosen compute capability would give them. */
bool Attribute(CUdevice_attribute attribute, int& value) {
  const int capability = Machine::Get().settings.compute_capability;
  switch (attribute) {
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR:
      value = capability / 10;
      return true;
    case CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR:
      value = capability % 10;
      return true;
    case CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT:
      value = 96;  // many small blocks: what one of them touches stays in the host's cache
      return true;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
    case CU_DEVICE_ATTRIBUTE_MAX_BLOCK_DIM_X:
      value = 1024;
      return true;
    case CU_DEVICE_ATTRIBUTE_MAX_THREADS_PER_MULTIPROCESSOR:
      value = 2048;
      return true;
    case CU_DEVICE_ATTRIBUTE_WARP_SIZE:
      value = 32;
      return true;
    case CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK:
      value = 48 << 10;
      return true;
    default:
      return false;
  }
}

bool Fits(unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared) {
  const bool grid = gx > 0 && gy > 0 && gz > 0 && gx <= 0x7fffffffu && gy <= 65535 && gz <= 65535;
  const bool block = bx > 0 && by > 0 && bz > 0 && bx <= 1024 && by <= 1024 && bz <= 64;
  return grid && block && size_t{bx} * by * bz <= 1024 && shared <= 48u << 10;
}

/** A kernel's arguments, copied as the driver copies them. */
struct Arguments {
  explicit Arguments(const Kernel& kernel, void* const* from) {
    size_t bytes = 0;
    std::vector<size_t> offsets;
    for (const Parameter& parameter : kernel.parameters) {
      offsets.push_back(bytes);
      bytes += (parameter.bytes + 15) / 16 * 16;
    }
    storage.resize(bytes / 16 + 1);
    for (size_t i = 0; i < offsets.size(); ++i) {
      void* target = reinterpret_cast<char*>(storage.data()) + offsets[i];
      std::memcpy(target, from[i], kernel.parameters[i].bytes);
      addresses.push_back(target);
    }
  }
  Arguments(const Arguments&) = delete;
  Arguments& operator=(const Arguments&) = delete;
  ~Arguments() = default;

  struct alignas(16) Slot {
    char bytes[16];
  };
  std::vector<Slot> storage;
  std::vector<void*> addresses;
};

std::vector<Access> AccessesOf(const Kernel& kernel, const Arguments& arguments) {
  std::vector<Access> accesses;
  for (size_t i = 0; i < kernel.parameters.size(); ++i) {
    kernel.parameters[i].visit(arguments.addresses[i], [&](const PointerArgument& pointer) {
      if (!pointer.address) return;  // an absent operand
      accesses.push_back({pointer.address, pointer.bytes, pointer.writable});
      if (reinterpret_cast<uintptr_t>(pointer.address) % pointer.alignment == 0) return;
      Machine::Get().Violation(kernel.name + ": argument " + std::to_string(i) + " is not aligned to " +
                               std::to_string(pointer.alignment) + " bytes");
    });
  }
  return accesses;
}

/** Runs all blocks, by turns from the first and from the last: a kernel must not depend on their order. */
void RunGrid(const Kernel& kernel, const Arguments& arguments, const Index3& grid, const Index3& block) {
  static std::atomic<unsigned> launches{0};
  const bool backwards = launches++ % 2 == 1;
  const int64_t blocks = int64_t{grid.x} * grid.y * grid.z;
  const int64_t threads = blocks * block.x * block.y * block.z;
#pragma omp parallel for schedule(dynamic) if (blocks > 1 && threads > 4096)
  for (int64_t i = 0; i < blocks; ++i) {
    const auto index = static_cast<unsigned>(backwards ? blocks - 1 - i : i);
    place.grid_dim = grid;
    place.block_dim = block;
    place.block = {index % grid.x, index / grid.x % grid.y, index / grid.x / grid.y};
    RunBlock([&] { kernel.call(arguments.addresses.data()); });
  }
}

bool IsPinned(const void* address, size_t bytes) {
  const Allocation* allocation = Machine::Get().memory.Find(address, bytes);
  return allocation && allocation->kind == MemoryKind::kPinned;
}

void SubmitCopy(CUstream stream, void* target, const void* source, size_t bytes, std::vector<Access> accesses,
                const char* name) {
  Machine::Get().Submit(stream, {name, std::move(accesses), [=] { std::memcpy(target, source, bytes); }});
}

/** Whether pinned memory is named by work that has not run. */
bool InUse(const void* address) {
  Machine& machine = Machine::Get();
  return machine.AnyWaiting([&](const Work& work) {
    return std::any_of(work.accesses.begin(), work.accesses.end(), [&](const Access& access) {
      const Allocation* allocation = machine.memory.Find(access.address, 1);
      return allocation && allocation->begin == reinterpret_cast<uintptr_t>(address);
    });
  });
}

}  // namespace
}  // namespace simulation

using namespace simulation;  // NOLINT: the functions below are C's

extern "C" {

CUresult CUDAAPI cuInit(unsigned flags) {
  ENTER_WITHOUT_CONTEXT(cuInit);
  return flags == 0 ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuDriverGetVersion(int* version) {
  ENTER_WITHOUT_CONTEXT(cuDriverGetVersion);
  *version = CUDA_VERSION;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGetErrorName(CUresult error, const char** name) {
  const ErrorText* known = FindError(error);
  *name = known ? known->name : nullptr;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuGetErrorString(CUresult error, const char** text) {
  const ErrorText* known = FindError(error);
  *text = known ? known->text : nullptr;
  return known ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuDeviceGetCount(int* count) {
  ENTER_WITHOUT_CONTEXT(cuDeviceGetCount);
  *count = 1;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGet(CUdevice* device, int ordinal) {
  ENTER_WITHOUT_CONTEXT(cuDeviceGet);
  if (ordinal != 0) return CUDA_ERROR_INVALID_DEVICE;
  *device = 0;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetName(char* name, int length, CUdevice device) {
  ENTER_WITHOUT_CONTEXT(cuDeviceGetName);
  if (device != 0 || length < 1) return CUDA_ERROR_INVALID_VALUE;
  std::strncpy(name, kDeviceName, static_cast<size_t>(length));
  name[length - 1] = '\0';
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDeviceGetAttribute(int* value, CUdevice_attribute attribute, CUdevice device) {
  ENTER_WITHOUT_CONTEXT(cuDeviceGetAttribute);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  if (Attribute(attribute, *value)) return CUDA_SUCCESS;
  machine.Violation("cuDeviceGetAttribute: attribute " + std::to_string(attribute) + " is not simulated");
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuDeviceTotalMem(size_t* bytes, CUdevice device) {
  ENTER_WITHOUT_CONTEXT(cuDeviceTotalMem);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  *bytes = machine.settings.memory_bytes;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRetain(CUcontext* context, CUdevice device) {
  ENTER_WITHOUT_CONTEXT(cuDevicePrimaryCtxRetain);
  if (device != 0) return CUDA_ERROR_INVALID_DEVICE;
  ++machine.context_users;
  *context = reinterpret_cast<CUcontext>(&context_object);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuDevicePrimaryCtxRelease(CUdevice device) {
  ENTER_WITHOUT_CONTEXT(cuDevicePrimaryCtxRelease);
  if (device != 0 || machine.context_users == 0) return CUDA_ERROR_INVALID_CONTEXT;
  if (--machine.context_users == 0) {
    machine.ReportLeaks();
    machine.sticky = CUDA_SUCCESS;
  }
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuCtxSetCurrent(CUcontext context) {
  ENTER_WITHOUT_CONTEXT(cuCtxSetCurrent);
  if (context && context != reinterpret_cast<CUcontext>(&context_object)) return CUDA_ERROR_INVALID_CONTEXT;
  context_current = context != nullptr;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemGetInfo(size_t* free, size_t* total) {
  ENTER(cuMemGetInfo);
  *total = machine.settings.memory_bytes;
  *free = *total - std::min(*total, machine.memory.device_bytes());
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemAlloc(CUdeviceptr* address, size_t bytes) {
  ENTER(cuMemAlloc);
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  if (machine.memory.device_bytes() + bytes > machine.settings.memory_bytes) return CUDA_ERROR_OUT_OF_MEMORY;
  void* block = machine.memory.Allocate(bytes, MemoryKind::kDevice);
  if (!block) return CUDA_ERROR_OUT_OF_MEMORY;
  *address = reinterpret_cast<CUdeviceptr>(block);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemFree(CUdeviceptr address) {
  ENTER(cuMemFree);
  machine.DrainAll();
  if (machine.memory.Free(reinterpret_cast<void*>(address), MemoryKind::kDevice)) return CUDA_SUCCESS;
  machine.Violation("cuMemFree: " + machine.memory.Describe(reinterpret_cast<void*>(address)));
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuMemHostAlloc(void** address, size_t bytes, unsigned) {
  ENTER(cuMemHostAlloc);
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  *address = machine.memory.Allocate(bytes, MemoryKind::kPinned);
  return *address ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult CUDAAPI cuMemFreeHost(void* address) {
  ENTER(cuMemFreeHost);
  if (InUse(address)) machine.Violation("cuMemFreeHost: a copy of this memory has not been waited for");
  machine.DrainAll();
  if (machine.memory.Free(address, MemoryKind::kPinned)) return CUDA_SUCCESS;
  machine.Violation("cuMemFreeHost: " + machine.memory.Describe(address));
  return CUDA_ERROR_INVALID_VALUE;
}

CUresult CUDAAPI cuMemcpyHtoDAsync(CUdeviceptr target, const void* source, size_t bytes, CUstream stream) {
  ENTER(cuMemcpyHtoDAsync);
  CHECK_HANDLE(stream, "stream", "cuMemcpyHtoDAsync");
  if (!source || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  void* device = reinterpret_cast<void*>(target);
  const Access write{device, bytes, true};
  if (IsPinned(source, bytes)) {
    SubmitCopy(stream, device, source, bytes, {write, {source, bytes, false}}, "copy to the device");
    return CUDA_SUCCESS;
  }
  if (AnyCapture(StreamOf(stream))) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  // The driver stages what is not pinned before it returns.
  const auto* begin = static_cast<const char*>(source);
  const auto staged = std::make_shared<std::vector<char>>(begin, begin + bytes);
  machine.Submit(stream,
                 {"copy to the device", {write}, [=] { std::memcpy(device, staged->data(), bytes); }});
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemcpyDtoHAsync(void* target, CUdeviceptr source, size_t bytes, CUstream stream) {
  ENTER(cuMemcpyDtoHAsync);
  CHECK_HANDLE(stream, "stream", "cuMemcpyDtoHAsync");
  if (!target || bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  const void* device = reinterpret_cast<void*>(source);
  std::vector<Access> accesses = {{device, bytes, false}};
  const bool pinned = IsPinned(target, bytes);
  if (pinned) accesses.push_back({target, bytes, true});
  if (!pinned && AnyCapture(StreamOf(stream))) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  SubmitCopy(stream, target, device, bytes, std::move(accesses), "copy to the host");
  // A copy to memory that is not pinned has happened when the call returns.
  if (!pinned) machine.Drain(stream, StreamOf(stream).submitted);
  return machine.sticky;
}

CUresult CUDAAPI cuMemcpyDtoDAsync(CUdeviceptr target, CUdeviceptr source, size_t bytes, CUstream stream) {
  ENTER(cuMemcpyDtoDAsync);
  CHECK_HANDLE(stream, "stream", "cuMemcpyDtoDAsync");
  if (bytes == 0) return CUDA_ERROR_INVALID_VALUE;
  void* to = reinterpret_cast<void*>(target);
  const void* from = reinterpret_cast<void*>(source);
  SubmitCopy(stream, to, from, bytes, {{to, bytes, true}, {from, bytes, false}}, "copy on the device");
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuMemsetD8Async(CUdeviceptr target, unsigned char value, size_t bytes, CUstream stream) {
  ENTER(cuMemsetD8Async);
  CHECK_HANDLE(stream, "stream", "cuMemsetD8Async");
  void* to = reinterpret_cast<void*>(target);
  machine.Submit(stream, {"memset", {{to, bytes, true}}, [=] { std::memset(to, value, bytes); }});
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamCreate(CUstream* stream, unsigned flags) {
  ENTER(cuStreamCreate);
  if (flags > CU_STREAM_NON_BLOCKING) return CUDA_ERROR_INVALID_VALUE;
  static unsigned streams = 0;
  auto* made = new Stream;
  made->number = ++streams;
  machine.Adopt(made, "stream");
  *stream = reinterpret_cast<CUstream>(made);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamDestroy(CUstream stream) {
  ENTER(cuStreamDestroy);
  CHECK_HANDLE(stream, "stream", "cuStreamDestroy");
  machine.Drain(stream, StreamOf(stream).submitted);
  Destroy<CUstream, Stream>(stream);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamSynchronize(CUstream stream) {
  ENTER(cuStreamSynchronize);
  CHECK_HANDLE(stream, "stream", "cuStreamSynchronize");
  if (AnyCapture(StreamOf(stream))) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  machine.Drain(stream, StreamOf(stream).submitted);
  machine.Synchronized(StreamOf(stream).clock);
  return machine.sticky;
}

CUresult CUDAAPI cuStreamWaitEvent(CUstream stream, CUevent event, unsigned flags) {
  ENTER(cuStreamWaitEvent);
  CHECK_HANDLE(stream, "stream", "cuStreamWaitEvent");
  CHECK_HANDLE(event, "event", "cuStreamWaitEvent");
  if (flags != 0) return CUDA_ERROR_INVALID_VALUE;
  Stream& waiting = StreamOf(stream);
  const Event& awaited = EventOf(event);
  if (!awaited.recorded) return CUDA_SUCCESS;  // as the driver: nothing to wait for
  if (awaited.capture) {
    if (waiting.capture && waiting.capture != awaited.capture) return CUDA_ERROR_STREAM_CAPTURE_MERGE;
    waiting.capture = awaited.capture;
    return CUDA_SUCCESS;
  }
  if (waiting.capture) return CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
  machine.Wait(stream, awaited);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamBeginCapture(CUstream stream, CUstreamCaptureMode) {
  ENTER(cuStreamBeginCapture);
  CHECK_HANDLE(stream, "stream", "cuStreamBeginCapture");
  Stream& captured = StreamOf(stream);
  if (captured.capture) return CUDA_ERROR_ILLEGAL_STATE;
  captured.capture = new Graph;
  captured.capture_origin = true;
  machine.Adopt(captured.capture, "graph");
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuStreamEndCapture(CUstream stream, CUgraph* graph) {
  ENTER(cuStreamEndCapture);
  CHECK_HANDLE(stream, "stream", "cuStreamEndCapture");
  Stream& captured = StreamOf(stream);
  if (!captured.capture || !captured.capture_origin) return CUDA_ERROR_ILLEGAL_STATE;
  *graph = reinterpret_cast<CUgraph>(captured.capture);
  machine.EndCapture(captured.capture);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventCreate(CUevent* event, unsigned) {
  ENTER(cuEventCreate);
  auto* made = new Event;
  machine.Adopt(made, "event");
  *event = reinterpret_cast<CUevent>(made);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventDestroy(CUevent event) {
  ENTER(cuEventDestroy);
  CHECK_HANDLE(event, "event", "cuEventDestroy");
  Destroy<CUevent, Event>(event);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventRecord(CUevent event, CUstream stream) {
  ENTER(cuEventRecord);
  CHECK_HANDLE(event, "event", "cuEventRecord");
  CHECK_HANDLE(stream, "stream", "cuEventRecord");
  machine.Record(EventOf(event), stream);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuEventQuery(CUevent event) {
  ENTER(cuEventQuery);
  CHECK_HANDLE(event, "event", "cuEventQuery");
  const Event& queried = EventOf(event);
  if (queried.capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (machine.Happened(queried)) {
    machine.Synchronized(queried.clock);
    return CUDA_SUCCESS;
  }
  // Who polls must see progress.
  machine.Step(queried.stream);
  return machine.sticky == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : machine.sticky;
}

CUresult CUDAAPI cuEventSynchronize(CUevent event) {
  ENTER(cuEventSynchronize);
  CHECK_HANDLE(event, "event", "cuEventSynchronize");
  const Event& awaited = EventOf(event);
  if (awaited.capture) return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
  if (!machine.Happened(awaited)) machine.Drain(awaited.stream, awaited.position);
  machine.Synchronized(awaited.clock);
  return machine.sticky;
}

CUresult CUDAAPI cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end) {
  ENTER(cuEventElapsedTime);
  CHECK_HANDLE(start, "event", "cuEventElapsedTime");
  CHECK_HANDLE(end, "event", "cuEventElapsedTime");
  const Event &first = EventOf(start), &second = EventOf(end);
  if (!first.milliseconds || !second.milliseconds) return CUDA_ERROR_INVALID_HANDLE;
  if (!machine.Happened(first) || !machine.Happened(second)) return CUDA_ERROR_NOT_READY;
  *milliseconds = static_cast<float>(*second.milliseconds - *first.milliseconds);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleLoadData(CUmodule* module, const void* image) {
  ENTER(cuModuleLoadData);
  uint32_t magic = 0;
  if (image) std::memcpy(&magic, image, sizeof magic);
  // A fat binary, its wrapper, or a cubin. What runs are the same kernels compiled for the host.
  if (magic != 0xBA55ED50u && magic != 0x466243B1u && magic != 0x464C457Fu) return CUDA_ERROR_INVALID_IMAGE;
  auto* made = new Module{};
  machine.Adopt(made, "module");
  *module = reinterpret_cast<CUmodule>(made);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleUnload(CUmodule module) {
  ENTER(cuModuleUnload);
  CHECK_HANDLE(module, "module", "cuModuleUnload");
  machine.DrainAll();
  Destroy<CUmodule, Module>(module);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuModuleGetFunction(CUfunction* function, CUmodule module, const char* name) {
  ENTER(cuModuleGetFunction);
  CHECK_HANDLE(module, "module", "cuModuleGetFunction");
  const auto found = Kernels().find(name);
  if (found == Kernels().end()) return CUDA_ERROR_NOT_FOUND;
  *function = reinterpret_cast<CUfunction>(&found->second);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuLaunchKernel(CUfunction function, unsigned grid_x, unsigned grid_y, unsigned grid_z,
                                unsigned block_x, unsigned block_y, unsigned block_z, unsigned shared_bytes,
                                CUstream stream, void** parameters, void** extra) {
  ENTER(cuLaunchKernel);
  CHECK_HANDLE(stream, "stream", "cuLaunchKernel");
  const auto& kernel = *reinterpret_cast<const Kernel*>(function);
  if (!Fits(grid_x, grid_y, grid_z, block_x, block_y, block_z, shared_bytes) || extra ||
      (!parameters && !kernel.parameters.empty())) {
    machine.Violation("cuLaunchKernel: " + kernel.name + " on a grid of " + std::to_string(grid_x) + " x " +
                      std::to_string(grid_y) + " x " + std::to_string(grid_z) + " blocks of " +
                      std::to_string(block_x) + " x " + std::to_string(block_y) + " x " +
                      std::to_string(block_z));
    return CUDA_ERROR_INVALID_VALUE;
  }
  const auto arguments = std::make_shared<Arguments>(kernel, parameters);
  const Index3 grid{grid_x, grid_y, grid_z};
  const Index3 block{block_x, block_y, block_z};
  machine.Submit(stream, {kernel.name, AccessesOf(kernel, *arguments),
                          [&kernel, arguments, grid, block] { RunGrid(kernel, *arguments, grid, block); }});
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphInstantiateWithFlags(CUgraphExec* exec, CUgraph graph, unsigned long long) {
  ENTER(cuGraphInstantiateWithFlags);
  CHECK_HANDLE(graph, "graph", "cuGraphInstantiateWithFlags");
  auto* made = new GraphExec{reinterpret_cast<Graph*>(graph)->work};
  machine.Adopt(made, "executable graph");
  *exec = reinterpret_cast<CUgraphExec>(made);
  return CUDA_SUCCESS;
}

// A real driver compares nodes; here, as many launches are the same topology.
CUresult CUDAAPI cuGraphExecUpdate(CUgraphExec exec, CUgraph graph, CUgraphExecUpdateResultInfo* difference) {
  ENTER(cuGraphExecUpdate);
  CHECK_HANDLE(exec, "executable graph", "cuGraphExecUpdate");
  CHECK_HANDLE(graph, "graph", "cuGraphExecUpdate");
  std::vector<Work>& work = reinterpret_cast<GraphExec*>(exec)->work;
  const std::vector<Work>& wanted = reinterpret_cast<Graph*>(graph)->work;
  const bool same = work.size() == wanted.size();
  difference->result = same ? CU_GRAPH_EXEC_UPDATE_SUCCESS : CU_GRAPH_EXEC_UPDATE_ERROR_TOPOLOGY_CHANGED;
  if (!same) return CUDA_ERROR_GRAPH_EXEC_UPDATE_FAILURE;
  work = wanted;
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphLaunch(CUgraphExec exec, CUstream stream) {
  ENTER(cuGraphLaunch);
  CHECK_HANDLE(exec, "executable graph", "cuGraphLaunch");
  CHECK_HANDLE(stream, "stream", "cuGraphLaunch");
  for (const Work& work : reinterpret_cast<GraphExec*>(exec)->work) machine.Submit(stream, work);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphExecDestroy(CUgraphExec exec) {
  ENTER(cuGraphExecDestroy);
  CHECK_HANDLE(exec, "executable graph", "cuGraphExecDestroy");
  Destroy<CUgraphExec, GraphExec>(exec);
  return CUDA_SUCCESS;
}

CUresult CUDAAPI cuGraphDestroy(CUgraph graph) {
  ENTER(cuGraphDestroy);
  CHECK_HANDLE(graph, "graph", "cuGraphDestroy");
  Destroy<CUgraph, Graph>(graph);
  return CUDA_SUCCESS;
}

}  // extern "C"
