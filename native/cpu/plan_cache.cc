// The plan cache's book-keeping.
// Invariant: by_key_ and entries_ hold the same plans.
#include "cpu/plan_cache.h"

namespace alexnet::cpu {

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

void PlanKey::Append(int64_t value) {
  text_.append(reinterpret_cast<const char*>(&value), sizeof value);
}

PlanKey& PlanKey::Add(const dnnl::memory::desc& layout) {
  for (const auto& values : {layout.get_strides(), layout.get_inner_blks(), layout.get_inner_idxs()}) {
    Append(static_cast<int64_t>(values.size()));
    for (const int64_t value : values) Append(value);
  }
  return *this;
}

std::shared_ptr<const Plan> PlanCache::Get(const OpCall& call, const PlanKey& key,
                                           const std::function<Plan()>& make) {
  const auto found = by_key_.find(key.text());
  if (found != by_key_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
    return found->second->plan;
  }
  auto plan = std::make_shared<const Plan>(make());
  entries_.push_front({key.text(), {call.op->name, call.label, plan->implementation}, plan});
  by_key_.emplace(key.text(), entries_.begin());
  if (entries_.size() > kCapacity) {
    by_key_.erase(entries_.back().key);
    entries_.pop_back();
  }
  return plan;
}

std::vector<PlanDescription> PlanCache::Descriptions() const {
  std::vector<PlanDescription> descriptions;
  for (const Entry& entry : entries_) descriptions.push_back(entry.description);
  return descriptions;
}

}  // namespace alexnet::cpu
