// Makes the backends this addon was built with.
// Invariant: the addon is the only place that knows them all.
#pragma once

#include <memory>
#include <string>

#include "core/backend.h"

namespace alexnet::addon {

struct BackendOptions {
  int threads;
  size_t memory_limit_bytes;
  bool winograd;  // of the cpu device
  // Of the cuda device; what they mean is in cuda/create.h.
  size_t workspace_limit_bytes;
  bool tf32, deterministic, measure_plans;
  std::string plan_file;
};

/** @throws Error with kUnsupported for a kind this addon does not have. */
std::unique_ptr<Backend> MakeBackend(const std::string& kind, const BackendOptions& options);

}  // namespace alexnet::addon
