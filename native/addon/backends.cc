// The list of backends.
// Invariant: an absent backend is named in the error, with the ones that are there.
#include "addon/backends.h"

#include "core/error.h"
#include "cpu/create.h"
#include "cuda/create.h"

namespace alexnet::addon {

std::unique_ptr<Backend> MakeBackend(const std::string& kind, const BackendOptions& options) {
  if (kind == "cpu") {
    return cpu::CreateBackend({options.threads, options.memory_limit_bytes, options.winograd});
  }
  if (kind == "cuda") {
    return cuda::CreateBackend({options.memory_limit_bytes, options.workspace_limit_bytes, options.tf32,
                                options.deterministic, options.measure_plans, options.plan_file});
  }
  throw Error(ErrorCode::kUnsupported, Message("this build has no '", kind, "' device; it has: cpu, cuda"));
}

}  // namespace alexnet::addon
