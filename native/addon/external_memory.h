// What V8 is told of the memory that handles keep alive, so that it collects forgotten tensors in time.
// Invariant: tensors that come and go in a steady loop tell it nothing; growth beyond what it knows always
// does.
#pragma once

#include <napi.h>

#include <algorithm>
#include <cstdint>

namespace alexnet::addon {

/** V8 answers every report of growth with a garbage collection: a training step must not look like growth. */
class ExternalMemory {
 public:
  explicit ExternalMemory(Napi::Env env) : env_(env) {}

  void Add(int64_t bytes) {
    held_ += bytes;
    highest_ = std::max(highest_, held_);
    if (held_ > reported_ + kStep || (held_ == 0 && reported_ != 0)) {
      Report(held_);
    } else if (++changes_ == kWindow) {
      // The highest of a window, not what is held now: that goes up and down within each step.
      if (highest_ + kStep < reported_) Report(highest_);
      changes_ = 0;
      highest_ = held_;
    }
  }

 private:
  static constexpr int64_t kStep = int64_t{64} << 20;
  static constexpr int kWindow = 4096;  // handles made or released: a dozen training steps

  void Report(int64_t bytes) {
    Napi::MemoryManagement::AdjustExternalMemory(env_, bytes - reported_);
    reported_ = bytes;
    changes_ = 0;
    highest_ = held_;
  }

  Napi::Env env_;
  int64_t held_ = 0;
  int64_t reported_ = 0;
  int64_t highest_ = 0;
  int changes_ = 0;
};

}  // namespace alexnet::addon
