// Finds the libraries, looks up every function, checks versions.
// Invariant: messages say what is there, what is needed, and what to do.
#include "cuda/libraries.h"

#include <dlfcn.h>

#include "core/error.h"
#include "cuda/library_search.h"

namespace alexnet::cuda {
namespace {

constexpr int kOldestDriver = 12000;  // of CUDA 12.0: driver 525
constexpr const char* kWayOut = "or use the 'cpu' device";

[[noreturn]] void Refuse(const std::string& what, const std::string& remedy) {
  throw Error(ErrorCode::kUnsupported, Message(what, ". ", remedy, ", ", kWayOut));
}

std::string RemedyFor(const std::string& library, const std::string& package) {
  return Message("Install ", library, " (for example with: pip install ", package,
                 "), or name its folder in ", kFoldersVariable);
}

template <typename Function>
void LookUp(const OpenLibrary& library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library.handle, name));
  if (function != nullptr) return;
  Refuse(Message(library.path, " has no function ", name), "Install a newer version of it");
}

std::string Version(size_t major, size_t minor) {
  return Message(major, ".", minor);
}

// The extra step expands what cuda.h makes of a name before it becomes text.
#define ALEXNET_TEXT(name) #name
#define ALEXNET_SYMBOL(name) ALEXNET_TEXT(name)

OpenLibrary OpenDriver(DriverFunctions& driver) {
  const OpenLibrary library = FindLibrary({"libcuda.so.1"});
  if (library.handle == nullptr) {
    Refuse(Message("no NVIDIA driver was found; libcuda.so.1 was looked for:", library.tried, "\n"),
           "Install NVIDIA's driver, version 525 or later");
  }
#define ALEXNET_DRIVER(function) LookUp(library, ALEXNET_SYMBOL(function), driver.function);
#include "cuda/driver.def"
#undef ALEXNET_DRIVER
  return library;
}

OpenLibrary OpenCudnn(CudnnFunctions& cudnn, bool newest) {
  // cuDNN and cuBLAS open NVRTC by its bare name when they compile a kernel; once loaded it is found.
  FindLibrary({newest ? "libnvrtc.so.13" : "libnvrtc.so.12", "libnvrtc.so.12"});
  const OpenLibrary library = FindLibrary({"libcudnn.so.9"});
  const std::string package = newest ? "nvidia-cudnn-cu13" : "nvidia-cudnn-cu12";
  if (library.handle == nullptr) {
    Refuse(Message("cuDNN 9 was not found; libcudnn.so.9 was looked for:", library.tried, "\n"),
           RemedyFor("cuDNN 9", package));
  }
#define ALEXNET_CUDNN(function) LookUp(library, #function, cudnn.function);
#define ALEXNET_CUDNN_GRAPH(function)       \
  {                                         \
    decltype(&::function) unused = nullptr; \
    LookUp(library, #function, unused);     \
  }
#include "cuda/cudnn.def"
#undef ALEXNET_CUDNN
#undef ALEXNET_CUDNN_GRAPH
  return library;
}

OpenLibrary OpenCublasLt(CublasLtFunctions& cublaslt, bool newest) {
  const std::vector<std::string> names =
      newest ? std::vector<std::string>{"libcublasLt.so.13", "libcublasLt.so.12"}
             : std::vector<std::string>{"libcublasLt.so.12"};
  const OpenLibrary library = FindLibrary(names);
  if (library.handle == nullptr) {
    Refuse(Message("cuBLAS was not found; ", names.front(), " was looked for:", library.tried, "\n"),
           RemedyFor("cuBLAS", newest ? "nvidia-cublas" : "nvidia-cublas-cu12"));
  }
#define ALEXNET_CUBLASLT(function) LookUp(library, #function, cublaslt.function);
#include "cuda/cublaslt.def"
#undef ALEXNET_CUBLASLT
  return library;
}

bool IsLost(CUresult status) {
  switch (status) {
    case CUDA_ERROR_ILLEGAL_ADDRESS:
    case CUDA_ERROR_LAUNCH_FAILED:
    case CUDA_ERROR_LAUNCH_TIMEOUT:
    case CUDA_ERROR_ECC_UNCORRECTABLE:
    case CUDA_ERROR_HARDWARE_STACK_ERROR:
    case CUDA_ERROR_ILLEGAL_INSTRUCTION:
    case CUDA_ERROR_MISALIGNED_ADDRESS:
    case CUDA_ERROR_ASSERT:
    case CUDA_ERROR_SYSTEM_NOT_READY:
    case CUDA_ERROR_UNKNOWN:
      return true;
    default:
      return false;
  }
}

}  // namespace

Libraries::Libraries() {
  const OpenLibrary driver_library = OpenDriver(driver);
  ALEXNET_DRIVER_CALL(*this, cuDriverGetVersion(&driver_version));
  const std::string version = Version(driver_version / 1000, driver_version % 1000 / 10);
  if (driver_version < kOldestDriver) {
    Refuse(Message("NVIDIA's driver (", driver_library.path, ") is for CUDA ", version, "; 12.0 is needed"),
           "Install driver 525 or later");
  }
  found_.emplace_back("driver", Message("CUDA ", version, " (", driver_library.path, ")"));

  const bool newest = driver_version >= 13000;
  const OpenLibrary cudnn_library = OpenCudnn(cudnn, newest);
  cudnn_handle = cudnn_library.handle;
  const size_t cudnn_version = cudnn.cudnnGetVersion();
  if (cudnn_version / 10000 != 9) {
    Refuse(Message(cudnn_library.path, " has version number ", cudnn_version, "; cuDNN 9 is needed"),
           "Install cuDNN 9");
  }
  const std::string release = Version(cudnn_version / 10000, cudnn_version % 10000 / 100);
  found_.emplace_back("cuDNN", Message(release, " (", cudnn_library.path, ")"));

  const OpenLibrary cublaslt_library = OpenCublasLt(cublaslt, newest);
  const size_t cublas_version = cublaslt.cublasLtGetVersion();
  found_.emplace_back("cuBLASLt", Message(Version(cublas_version / 10000, cublas_version % 10000 / 100), " (",
                                          cublaslt_library.path, ")"));
}

void Libraries::CheckDriver(CUresult status, const char* call) const {
  if (status == CUDA_SUCCESS) return;
  const char *name = nullptr, *text = nullptr;
  driver.cuGetErrorName(status, &name);
  driver.cuGetErrorString(status, &text);
  const std::string reason = Message(call, ": ", name ? name : "CUDA error", " (", static_cast<int>(status),
                                     "): ", text ? text : "no description");
  if (status == CUDA_ERROR_OUT_OF_MEMORY) {
    throw Error(ErrorCode::kOutOfMemory,
                Message("the GPU has no memory left; try a smaller batch. ", reason));
  }
  if (IsLost(status)) {
    throw Error(ErrorCode::kNative, Message("the GPU was lost, and with it all tensors on it; go on from a "
                                            "checkpoint in a new process. ",
                                            reason));
  }
  throw Error(ErrorCode::kNative, reason);
}

void Libraries::CheckCudnn(cudnnStatus_t status, const char* call) const {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char detail[1024] = "";
  cudnn.cudnnGetLastErrorString(detail, sizeof detail);
  const std::string reason =
      Message(call, ": ", cudnn.cudnnGetErrorString(status), detail[0] != '\0' ? "; " : "", detail);
  const bool unsupported = status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000;
  throw Error(unsupported ? ErrorCode::kUnsupported : ErrorCode::kNative, reason);
}

void Libraries::CheckCublasLt(cublasStatus_t status, const char* call) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(status == CUBLAS_STATUS_NOT_SUPPORTED ? ErrorCode::kUnsupported : ErrorCode::kNative,
              Message(call, ": ", cublaslt.cublasLtGetStatusString(status)));
}

}  // namespace alexnet::cuda
