// What a device did while a profile was taken: each op's time and memory.
// Invariant: used from the queue's thread only; while no profile is taken, work runs as if this were not
// there.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/backend.h"

namespace alexnet {

/** One op of a profile, or a mark of the caller's, which takes no time. */
struct ProfileEntry {
  std::string op;  // "mark" for marks
  std::string label;
  double start_ms = 0;  // since the profile began
  double duration_ms = 0;
  int64_t kept_bytes = 0;     // by which memory in use grew
  int64_t scratch_bytes = 0;  // held for a while beyond that
};

struct Profile {
  std::vector<ProfileEntry> entries;
  size_t dropped = 0;  // entries beyond kMostEntries
};

class Profiler {
 public:
  /** Two hundred steps of AlexNet; more would hold up JavaScript for too long when it is handed over. */
  static constexpr size_t kMostEntries = size_t{1} << 14;

  explicit Profiler(Backend& backend) : backend_(backend) {}

  /** Forgets an earlier profile. */
  void Start();
  void Mark(const std::string& label);
  /** Does the work, and writes down what it took if a profile is being taken and the work did not throw. */
  void Measure(const std::string& op, const std::string& label, const std::function<void()>& work);
  /** Waits for the device. @returns what was written down since Start() */
  Profile Stop();

 private:
  struct Measured {
    ProfileEntry entry;
    std::unique_ptr<TimeMark> begin;
    std::unique_ptr<TimeMark> end;
  };

  void Add(Measured measured);

  Backend& backend_;
  bool running_ = false;
  std::unique_ptr<TimeMark> origin_;
  std::vector<Measured> measured_;
  size_t dropped_ = 0;
};

}  // namespace alexnet
