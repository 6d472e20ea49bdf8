// libcuda, cuDNN and cuBLASLt, opened at run time: the addon links to none of them.
// Invariant: an object has every function of the .def files; opening fails as a whole, with what was looked
// for.
#pragma once

#include <cudnn.h>

#include <string>
#include <utility>
#include <vector>

#include "cuda/cublaslt_api.h"
#include "cuda/driver_api.h"

namespace alexnet::cuda {

// NOLINTBEGIN(bugprone-macro-parentheses): a name that is declared cannot stand in parentheses.
struct DriverFunctions {
#define ALEXNET_DRIVER(function) decltype(&::function) function = nullptr;
#include "cuda/driver.def"
#undef ALEXNET_DRIVER
};

struct CudnnFunctions {
#define ALEXNET_CUDNN(function) decltype(&::function) function = nullptr;
#define ALEXNET_CUDNN_GRAPH(function)
#include "cuda/cudnn.def"
#undef ALEXNET_CUDNN
#undef ALEXNET_CUDNN_GRAPH
};

struct CublasLtFunctions {
#define ALEXNET_CUBLASLT(function) decltype(&::function) function = nullptr;
#include "cuda/cublaslt.def"
#undef ALEXNET_CUBLASLT
};
// NOLINTEND(bugprone-macro-parentheses)

class Libraries {
 public:
  /** Opens all three. They stay open: their threads and exit handlers outlive any device. */
  Libraries();

  DriverFunctions driver;
  CudnnFunctions cudnn;
  CublasLtFunctions cublaslt;
  void* cudnn_handle = nullptr;  // as from dlopen
  int driver_version = 0;        // 12040 is 12.4

  /** Name and "version (path)" of each. */
  const std::vector<std::pair<std::string, std::string>>& found() const { return found_; }

  // Each throws an Error with the call's text, the code and the vendor's words if the status is a failure.
  void CheckDriver(CUresult status, const char* call) const;
  void CheckCudnn(cudnnStatus_t status, const char* call) const;
  void CheckCublasLt(cublasStatus_t status, const char* call) const;

 private:
  std::vector<std::pair<std::string, std::string>> found_;
};

#define ALEXNET_DRIVER_CALL(libraries, call) (libraries).CheckDriver((libraries).driver.call, #call)
#define ALEXNET_CUDNN_CALL(libraries, call) (libraries).CheckCudnn((libraries).cudnn.call, #call)
#define ALEXNET_CUBLASLT_CALL(libraries, call) (libraries).CheckCublasLt((libraries).cublaslt.call, #call)

}  // namespace alexnet::cuda
