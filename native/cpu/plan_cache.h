// What the CPU backend keeps of a compiled primitive; core/plan_cache.h keeps the plans.
// Invariant: a key holds every layout that the primitive was compiled for and did not choose itself.
#pragma once

#include <dnnl.hpp>
#include <memory>
#include <string>
#include <unordered_map>

#include "core/plan_cache.h"

namespace alexnet::cpu {

class Winograd;

/** A primitive with the layouts it wants, by oneDNN's argument number; or a convolution of our own. */
struct Plan {
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory::desc> layouts;
  dnnl::memory::desc scratchpad;
  std::string implementation;
  std::shared_ptr<const Winograd> winograd = nullptr;

  const dnnl::memory::desc& layout(int argument) const { return layouts.at(argument); }
};

class PlanKey : public alexnet::PlanKey {
 public:
  using alexnet::PlanKey::PlanKey;
  PlanKey& Add(const dnnl::memory::desc& layout) {
    for (const auto& values : {layout.get_strides(), layout.get_inner_blks(), layout.get_inner_idxs()}) {
      Append(static_cast<int64_t>(values.size()));
      for (const int64_t value : values) Append(value);
    }
    return *this;
  }
};

using PlanCache = alexnet::PlanCache<Plan>;

}  // namespace alexnet::cpu
