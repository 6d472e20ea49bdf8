// Collects entries and launches them kSgdBatch at a time.
// Invariant: after a launch nothing waits, whether it worked or not.
#include "cuda/updates.h"

#include <algorithm>

namespace alexnet::cuda {

void Updates::Add(const SgdEntry& entry, std::vector<TensorPtr> tensors) {
  entries_.push_back(entry);
  tensors_.insert(tensors_.end(), tensors.begin(), tensors.end());
  if (entries_.size() == kSgdBatch) Launch();
}

bool Updates::Waits(const TensorPtr& tensor) const {
  return std::find(tensors_.begin(), tensors_.end(), tensor) != tensors_.end();
}

void Updates::Launch() {
  if (entries_.empty()) return;
  SgdBatch batch = {};
  std::copy(entries_.begin(), entries_.end(), batch.entries);
  int64_t largest = 0;
  for (const SgdEntry& entry : entries_) largest = std::max(largest, entry.elements);
  Grid grid = gpu_.Spread(largest);
  grid.y = static_cast<unsigned>(entries_.size());
  entries_.clear();
  const std::vector<TensorPtr> held = std::move(tensors_);
  tensors_.clear();
  gpu_.Launch("sgd", grid, batch);
}

}  // namespace alexnet::cuda
