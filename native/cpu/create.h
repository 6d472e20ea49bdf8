// The CPU backend's front door, free of vendor headers.
// Invariant: this is all that anything outside native/cpu may include.
#pragma once

#include <cstddef>
#include <memory>

#include "core/backend.h"

namespace alexnet::cpu {

/**
 * @param threads  threads that compute, 1 or more
 * @param memory_limit_bytes  most memory held at a time; 0: no limit
 */
std::unique_ptr<Backend> CreateBackend(int threads, size_t memory_limit_bytes);

}  // namespace alexnet::cpu
