// The CUDA backend's front door, free of vendor headers.
// Invariant: this is all that anything outside native/cuda may include; stub.cc answers where CUDA's headers
// were absent when the addon was built.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "core/backend.h"

namespace alexnet::cuda {

struct CudaOptions {
  size_t memory_limit_bytes = 0;     // most memory held at a time; 0: no limit
  size_t workspace_limit_bytes = 0;  // most scratch memory of one convolution or matrix product
  bool tf32 = false;                 // float32 products may round their factors to TF32
  bool deterministic = false;        // only implementations that give the same bits each time
  bool measure_plans = false;        // run what cuDNN suggests and take the fastest, instead of its first
  std::string plan_file;             // where choices are kept between processes; empty: nowhere
};

/**
 * Opens the first CUDA device.
 * @throws Error with kUnsupported, saying what was looked for and what to do, if there is none
 */
std::unique_ptr<Backend> CreateBackend(const CudaOptions& options);

}  // namespace alexnet::cuda
