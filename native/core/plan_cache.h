// Compiled operations by problem: making one costs milliseconds, running it should cost nothing more.
// Invariant: at most kCapacity plans are kept; the one unused for longest goes first.
#pragma once

#include <functional>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/backend.h"

namespace alexnet {

/** Spells out a problem: everything that makes two calls need different plans. */
class PlanKey {
 public:
  explicit PlanKey(const OpCall& call);
  PlanKey& Append(int64_t value);
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/** @tparam Plan  what a backend keeps for a problem; its member `implementation` says what was chosen */
template <typename Plan>
class PlanCache {
 public:
  static constexpr size_t kCapacity = 1024;

  std::shared_ptr<const Plan> Get(const OpCall& call, const PlanKey& key, const std::function<Plan()>& make) {
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

  /** The most recently used first. */
  std::vector<PlanDescription> Descriptions() const {
    std::vector<PlanDescription> descriptions;
    for (const Entry& entry : entries_) descriptions.push_back(entry.description);
    return descriptions;
  }

 private:
  struct Entry {
    std::string key;
    PlanDescription description;
    std::shared_ptr<const Plan> plan;
  };
  std::list<Entry> entries_;  // most recently used first
  std::unordered_map<std::string, typename std::list<Entry>::iterator> by_key_;
};

}  // namespace alexnet
