// Opening and closing, and the launch of kernels.
// Invariant: what was opened before a failure is closed again.
#include "cuda/gpu.h"

#include <algorithm>

#include "core/error.h"
#include "cuda/kernel_images.h"

namespace alexnet::cuda {
namespace {

constexpr int kBlocksPerMultiprocessor = 8;

std::string Gibibytes(size_t bytes) {
  return Message((bytes + (size_t{1} << 29)) >> 30, " GiB");
}

}  // namespace

Gpu::Gpu() {
  try {
    Open();
  } catch (...) {
    Close();
    throw;
  }
}

Gpu::~Gpu() {
  Close();
}

void Gpu::Open() {
  const CUresult ready = libraries_.driver.cuInit(0);
  int count = 0;
  if (ready == CUDA_SUCCESS) ALEXNET_DRIVER_CALL(libraries_, cuDeviceGetCount(&count));
  if (ready == CUDA_ERROR_NO_DEVICE || (ready == CUDA_SUCCESS && count == 0)) {
    throw Error(
        ErrorCode::kUnsupported,
        "NVIDIA's driver is installed but sees no GPU. Check nvidia-smi and CUDA_VISIBLE_DEVICES, or use "
        "the 'cpu' device");
  }
  libraries_.CheckDriver(ready, "cuInit(0)");
  ALEXNET_DRIVER_CALL(libraries_, cuDeviceGet(&device_, 0));
  char name[256] = "";
  ALEXNET_DRIVER_CALL(libraries_, cuDeviceGetName(name, sizeof name, device_));
  name_ = name;
  int major = 0, minor = 0;
  size_t bytes = 0;
  ALEXNET_DRIVER_CALL(libraries_,
                      cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, device_));
  ALEXNET_DRIVER_CALL(libraries_,
                      cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, device_));
  ALEXNET_DRIVER_CALL(
      libraries_, cuDeviceGetAttribute(&multiprocessors_, CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT, device_));
  ALEXNET_DRIVER_CALL(libraries_, cuDeviceTotalMem(&bytes, device_));
  description_ = {{"gpu", name_},
                  {"computeCapability", Message(major, ".", minor)},
                  {"memory", Gibibytes(bytes)},
                  // Turing's tensor cores know float16 alone.
                  {"bfloat16", major >= 8 ? "fast" : "none"},
                  {"float16", "fast"},
                  {"gpus", std::to_string(count)}};
  description_.insert(description_.end(), libraries_.found().begin(), libraries_.found().end());

  ALEXNET_DRIVER_CALL(libraries_, cuDevicePrimaryCtxRetain(&context_, device_));
  MakeCurrent();
  ALEXNET_DRIVER_CALL(libraries_, cuStreamCreate(&stream_, CU_STREAM_NON_BLOCKING));
  ALEXNET_DRIVER_CALL(libraries_, cuStreamCreate(&upload_stream_, CU_STREAM_NON_BLOCKING));
  LoadKernels(major, minor);
  ALEXNET_CUDNN_CALL(libraries_, cudnnCreate(&cudnn_));
  ALEXNET_CUDNN_CALL(libraries_, cudnnSetStream(cudnn_, stream_));
  ALEXNET_CUBLASLT_CALL(libraries_, cublasLtCreate(&cublaslt_));
}

// Statuses are not looked at: there is nothing left to be done about a failure.
void Gpu::Close() {
  if (context_ == nullptr) return;
  libraries_.driver.cuCtxSetCurrent(context_);
  if (stream_ != nullptr) libraries_.driver.cuStreamSynchronize(stream_);
  if (upload_stream_ != nullptr) libraries_.driver.cuStreamSynchronize(upload_stream_);
  if (cublaslt_ != nullptr) libraries_.cublaslt.cublasLtDestroy(cublaslt_);
  if (cudnn_ != nullptr) libraries_.cudnn.cudnnDestroy(cudnn_);
  if (module_ != nullptr) libraries_.driver.cuModuleUnload(module_);
  if (upload_stream_ != nullptr) libraries_.driver.cuStreamDestroy(upload_stream_);
  if (stream_ != nullptr) libraries_.driver.cuStreamDestroy(stream_);
  libraries_.driver.cuCtxSetCurrent(nullptr);
  libraries_.driver.cuDevicePrimaryCtxRelease(device_);
  context_ = nullptr;
}

void Gpu::MakeCurrent() const {
  ALEXNET_DRIVER_CALL(libraries_, cuCtxSetCurrent(context_));
}

void Gpu::LoadKernels(int major, int minor) {
  ALEXNET_DRIVER_CALL(libraries_, cuModuleLoadData(&module_, KernelImageFor(major, minor)));
  const auto load = [this](const char* name) {
    libraries_.CheckDriver(libraries_.driver.cuModuleGetFunction(&kernels_[name], module_, name), name);
  };
#define ALEXNET_KERNEL(name) load(#name);
#define ALEXNET_TYPED_KERNEL(name) \
  load(#name "_f32");              \
  load(#name "_f16");              \
  load(#name "_bf16");
#include "cuda/kernels.def"
#undef ALEXNET_KERNEL
#undef ALEXNET_TYPED_KERNEL
}

Grid Gpu::Spread(int64_t count) const {
  Grid grid;
  const int64_t wanted = (count + grid.threads - 1) / grid.threads;
  const int64_t most = int64_t{multiprocessors_} * kBlocksPerMultiprocessor;
  grid.x = static_cast<unsigned>(std::clamp<int64_t>(wanted, 1, most));
  return grid;
}

void Gpu::LaunchWith(const std::string& kernel, const Grid& grid, void** arguments) const {
  const auto found = kernels_.find(kernel);
  Check(found != kernels_.end(), "there is no kernel ", kernel);
  libraries_.CheckDriver(libraries_.driver.cuLaunchKernel(found->second, grid.x, grid.y, 1, grid.threads, 1,
                                                          1, 0, stream_, arguments, nullptr),
                         kernel.c_str());
}

}  // namespace alexnet::cuda
