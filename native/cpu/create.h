// The CPU backend's front door, free of vendor headers.
// Invariant: this is all that anything outside native/cpu may include.
#pragma once

#include <cstddef>
#include <memory>

#include "core/backend.h"

namespace alexnet::cpu {

struct CpuOptions {
  int threads = 1;                // that compute
  size_t memory_limit_bytes = 0;  // most memory held at a time; 0: no limit
  bool winograd = true;           // false: every convolution is computed directly
};

std::unique_ptr<Backend> CreateBackend(const CpuOptions& options);

}  // namespace alexnet::cpu
