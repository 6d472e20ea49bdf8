// One GPU: its context, streams, kernels and library handles.
// Invariant: made and destroyed on any thread; between, used by the one on which MakeCurrent was called last.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "cuda/libraries.h"

namespace alexnet::cuda {

/** How many threads a kernel gets; each strides over what is left. */
struct Grid {
  unsigned x = 1, y = 1, threads = 256;
};

class Gpu {
 public:
  Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;
  ~Gpu();

  const Libraries& libraries() const { return libraries_; }
  /** Work is done in the order it is put on this stream. */
  CUstream stream() const { return stream_; }
  /** Copies from the host that need not wait for that work. */
  CUstream upload_stream() const { return upload_stream_; }
  cudnnHandle_t cudnn() const { return cudnn_; }
  cublasLtHandle_t cublaslt() const { return cublaslt_; }
  int multiprocessors() const { return multiprocessors_; }
  const std::vector<std::pair<std::string, std::string>>& description() const { return description_; }
  const std::string& name() const { return name_; }

  CUcontext context() const { return context_; }
  void MakeCurrent() const;

  /** Threads for `count` elements: enough to fill the device. */
  Grid Spread(int64_t count) const;

  /** Puts a kernel on the stream. The arguments' types must be exactly the kernel's. */
  template <typename... Arguments>
  void Launch(const std::string& kernel, const Grid& grid, Arguments... arguments) const {
    void* pointers[] = {static_cast<void*>(&arguments)...};
    LaunchWith(kernel, grid, pointers);
  }

 private:
  void Open();
  void Close();
  void LoadKernels(int major, int minor);
  void LaunchWith(const std::string& kernel, const Grid& grid, void** arguments) const;

  Libraries libraries_;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;
  CUmodule module_ = nullptr;
  CUstream stream_ = nullptr, upload_stream_ = nullptr;
  cudnnHandle_t cudnn_ = nullptr;
  cublasLtHandle_t cublaslt_ = nullptr;
  int multiprocessors_ = 1;
  std::string name_;
  std::unordered_map<std::string, CUfunction> kernels_;
  std::vector<std::pair<std::string, std::string>> description_;
};

}  // namespace alexnet::cuda
