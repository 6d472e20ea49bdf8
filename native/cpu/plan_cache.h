// Compiled primitives by problem: making one costs milliseconds, running it should cost nothing more.
// Invariant: at most kCapacity plans are kept; the one unused for longest goes first.
#pragma once

#include <dnnl.hpp>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/backend.h"

namespace alexnet::cpu {

/** A primitive with the layouts it wants, by oneDNN's argument number. */
struct Plan {
  dnnl::primitive primitive;
  std::unordered_map<int, dnnl::memory::desc> layouts;
  dnnl::memory::desc scratchpad;
  std::string implementation;

  const dnnl::memory::desc& layout(int argument) const { return layouts.at(argument); }
};

/** Spells out a problem: everything that makes two calls need different primitives. */
class PlanKey {
 public:
  explicit PlanKey(const OpCall& call);
  PlanKey& Add(const dnnl::memory::desc& layout);
  const std::string& text() const { return text_; }

 private:
  void Append(int64_t value);
  std::string text_;
};

class PlanCache {
 public:
  static constexpr size_t kCapacity = 1024;

  std::shared_ptr<const Plan> Get(const OpCall& call, const PlanKey& key, const std::function<Plan()>& make);
  std::vector<PlanDescription> Descriptions() const;

 private:
  struct Entry {
    std::string key;
    PlanDescription description;
    std::shared_ptr<const Plan> plan;
  };
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, std::list<Entry>::iterator> by_key_;
};

}  // namespace alexnet::cpu
