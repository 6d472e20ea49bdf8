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

std::string CudaVersion(int version) {
  return Version(static_cast<size_t>(version / 1000), static_cast<size_t>(version % 1000 / 10));
}

/** Up to 8, the major version is thousands; from 9 on, tens of thousands. */
std::string CudnnVersion(size_t version) {
  return version < 10000 ? Version(version / 1000, version % 1000 / 100)
                         : Version(version / 10000, version % 10000 / 100);
}

/** Whether libraries for CUDA 13 do. */
bool IsNewest(int driver_version) {
  return driver_version >= 13000;
}

// The extra step expands what cuda.h makes of a name before it becomes text.
#define ALEXNET_TEXT(name) #name
#define ALEXNET_SYMBOL(name) ALEXNET_TEXT(name)

// Versions come first: what is too old lacks functions as well, and those say nothing to anybody.

OpenLibrary OpenDriver(DriverFunctions& driver, int& version) {
  const OpenLibrary library = FindLibrary({"libcuda.so.1"});
  if (library.handle == nullptr) {
    Refuse(Message("no NVIDIA driver was found; libcuda.so.1 was looked for:", library.tried, "\n"),
           "Install NVIDIA's driver, version 525 or later");
  }
  LookUp(library, "cuDriverGetVersion", driver.cuDriverGetVersion);
  if (driver.cuDriverGetVersion(&version) != CUDA_SUCCESS) {
    Refuse(Message("NVIDIA's driver (", library.path, ") does not say its version"), "Install it again");
  }
  if (version < kOldestDriver) {
    Refuse(Message("NVIDIA's driver (", library.path, ") is for CUDA ", CudaVersion(version),
                   "; 12.0 is needed"),
           "Install driver 525 or later");
  }
#define ALEXNET_DRIVER(function) LookUp(library, ALEXNET_SYMBOL(function), driver.function);
#include "cuda/driver.def"
#undef ALEXNET_DRIVER
  return library;
}

/** @throws Error unless it is cuDNN 9, for a CUDA that the driver knows */
void CheckCudnnVersion(const OpenLibrary& library, const CudnnFunctions& cudnn, int driver_version,
                       const std::string& remedy) {
  const std::string release = CudnnVersion(cudnn.cudnnGetVersion());
  if (cudnn.cudnnGetVersion() / 10000 != 9) {
    Refuse(Message(library.path, " is cuDNN ", release, "; cuDNN 9 is needed"), remedy);
  }
  const int built_for = static_cast<int>(cudnn.cudnnGetCudartVersion());
  if (built_for / 1000 > driver_version / 1000) {
    Refuse(Message(library.path, " is cuDNN ", release, " for CUDA ", CudaVersion(built_for),
                   "; the driver is for CUDA ", CudaVersion(driver_version)),
           Message(remedy, ", or a newer driver"));
  }
}

OpenLibrary OpenCudnn(CudnnFunctions& cudnn, int driver_version) {
  const bool newest = IsNewest(driver_version);
  // cuDNN and cuBLAS open NVRTC by its bare name when they compile a kernel; once loaded it is found.
  FindLibrary({newest ? "libnvrtc.so.13" : "libnvrtc.so.12", "libnvrtc.so.12"});
  const OpenLibrary library = FindLibrary({"libcudnn.so.9"});
  const std::string remedy = RemedyFor("cuDNN 9", newest ? "nvidia-cudnn-cu13" : "nvidia-cudnn-cu12");
  if (library.handle == nullptr) {
    const OpenLibrary older = FindLibrary({"libcudnn.so.8", "libcudnn.so.7"});
    const std::string found = older.handle == nullptr ? "" : Message("; ", older.path, " is too old");
    Refuse(Message("cuDNN 9 was not found", found, "; libcudnn.so.9 was looked for:", library.tried, "\n"),
           remedy);
  }
  LookUp(library, "cudnnGetVersion", cudnn.cudnnGetVersion);
  LookUp(library, "cudnnGetCudartVersion", cudnn.cudnnGetCudartVersion);
  CheckCudnnVersion(library, cudnn, driver_version, remedy);
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

OpenLibrary OpenCublasLt(CublasLtFunctions& cublaslt, int driver_version) {
  const bool newest = IsNewest(driver_version);
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

/** libcudnn.so.9 itself is a stub, which opens the others when they are needed. */
bool LacksParts(cudnnStatus_t status) {
  return status == CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH ||
         status == CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED ||
         status == CUDNN_STATUS_NOT_SUPPORTED_SUBLIBRARY_UNAVAILABLE;
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
  const OpenLibrary driver_library = OpenDriver(driver, driver_version);
  found_.emplace_back("driver",
                      Message("CUDA ", CudaVersion(driver_version), " (", driver_library.path, ")"));

  const OpenLibrary cudnn_library = OpenCudnn(cudnn, driver_version);
  cudnn_handle = cudnn_library.handle;
  found_.emplace_back("cuDNN", Message(CudnnVersion(cudnn.cudnnGetVersion()), " (", cudnn_library.path, ")"));

  const OpenLibrary cublaslt_library = OpenCublasLt(cublaslt, driver_version);
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
  if (LacksParts(status)) {
    Refuse(Message(reason,
                   ": the libraries that belong to libcudnn.so.9 (libcudnn_*.so.9) are not beside "
                   "it, or are of another release"),
           "Install cuDNN 9 again, as a whole");
  }
  const bool unsupported = status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000;
  throw Error(unsupported ? ErrorCode::kUnsupported : ErrorCode::kNative, reason);
}

void Libraries::CheckCublasLt(cublasStatus_t status, const char* call) const {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw Error(status == CUBLAS_STATUS_NOT_SUPPORTED ? ErrorCode::kUnsupported : ErrorCode::kNative,
              Message(call, ": ", cublaslt.cublasLtGetStatusString(status)));
}

}  // namespace alexnet::cuda
