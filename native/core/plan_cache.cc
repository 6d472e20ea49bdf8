// What makes two calls the same problem: op, attributes, and the types and shapes of all tensors.
// Invariant: two different problems never have the same text.
#include "core/plan_cache.h"

namespace alexnet {

PlanKey::PlanKey(const OpCall& call) : text_(call.op->name) {
  for (const double attribute : call.attributes) {
    text_.append(reinterpret_cast<const char*>(&attribute), sizeof attribute);
  }
  const auto add_shapes = [this](const std::vector<TensorPtr>& tensors) {
    for (const TensorPtr& tensor : tensors) {
      Append(tensor ? static_cast<int64_t>(tensor->dtype) : -1);
      if (!tensor) continue;
      Append(static_cast<int64_t>(tensor->shape.size()));
      for (const int64_t extent : tensor->shape) Append(extent);
    }
  };
  add_shapes(call.inputs);
  add_shapes(call.outputs);
}

PlanKey& PlanKey::Append(int64_t value) {
  text_.append(reinterpret_cast<const char*>(&value), sizeof value);
  return *this;
}

}  // namespace alexnet
