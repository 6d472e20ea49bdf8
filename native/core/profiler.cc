// Marks around each op, read when the profile ends, so that taking one does not make the host wait.
// Invariant: entries are in the order of the queue.
#include "core/profiler.h"

#include <algorithm>
#include <chrono>

namespace alexnet {
namespace {

class HostMark final : public TimeMark {
 public:
  double Milliseconds() const override {
    return std::chrono::duration<double, std::milli>(at_.time_since_epoch()).count();
  }

 private:
  const std::chrono::steady_clock::time_point at_ = std::chrono::steady_clock::now();
};

int64_t Signed(size_t bytes) {
  return static_cast<int64_t>(bytes);
}

}  // namespace

std::unique_ptr<TimeMark> Backend::Mark() {
  return std::make_unique<HostMark>();
}

void Profiler::Start() {
  measured_.clear();
  dropped_ = 0;
  running_ = true;
  origin_ = backend_.Mark();
}

void Profiler::Mark(const std::string& label) {
  if (!running_) return;
  Measured mark;
  mark.entry.op = "mark";
  mark.entry.label = label;
  mark.begin = backend_.Mark();
  Add(std::move(mark));
}

void Profiler::Measure(const std::string& op, const std::string& label, const std::function<void()>& work) {
  if (!running_) {
    work();
    return;
  }
  Measured measured;
  measured.entry.op = op;
  measured.entry.label = label;
  const int64_t before = Signed(backend_.Memory().in_use_bytes);
  backend_.TakeRecentPeak();
  measured.begin = backend_.Mark();
  work();
  measured.end = backend_.Mark();
  const int64_t after = Signed(backend_.Memory().in_use_bytes);
  const int64_t peak = Signed(backend_.TakeRecentPeak());
  measured.entry.kept_bytes = after - before;
  measured.entry.scratch_bytes = std::max<int64_t>(0, peak - std::max(before, after));
  Add(std::move(measured));
}

void Profiler::Add(Measured measured) {
  if (measured_.size() == kMostEntries) {
    ++dropped_;
  } else {
    measured_.push_back(std::move(measured));
  }
}

Profile Profiler::Stop() {
  Profile profile;
  if (!running_) return profile;
  running_ = false;
  backend_.Synchronize();
  profile.dropped = dropped_;
  profile.entries.reserve(measured_.size());
  for (Measured& measured : measured_) {
    ProfileEntry& entry = measured.entry;
    entry.start_ms = measured.begin->Milliseconds() - origin_->Milliseconds();
    if (measured.end) entry.duration_ms = measured.end->Milliseconds() - measured.begin->Milliseconds();
    profile.entries.push_back(std::move(entry));
  }
  measured_.clear();
  origin_.reset();
  return profile;
}

}  // namespace alexnet
