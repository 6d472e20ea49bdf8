// A device: an ordered queue of work with one thread that does it.
// Invariant: work is done in the order it was submitted; no submission waits for it.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "core/backend.h"
#include "core/profiler.h"

namespace alexnet {

class Device {
 public:
  /** Called on the queue's thread when an awaited command has ended; no failure means success. */
  using Completion = std::function<void(std::shared_ptr<const Failure>)>;

  explicit Device(std::unique_ptr<Backend> backend);
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;
  /** Finishes the running command, drops the others. */
  ~Device();

  const Backend& backend() const { return *backend_; }

  void Submit(OpCall call);
  void Upload(TensorPtr tensor, std::vector<unsigned char> bytes);
  /** `source` must stay valid and unchanged until `done` is called. */
  void Upload(TensorPtr tensor, const void* source, Completion done);
  /** `target` must stay valid until `done` is called. */
  void Download(TensorPtr tensor, void* target, Completion done);
  void Synchronize(Completion done);
  /** Gives up the caller's reference, in order with the work that uses the tensor. */
  void Release(TensorPtr tensor);
  void Trim();
  /** Between the two, the backend may gather ops; see core/backend.h. */
  void BeginGathering();
  void EndGathering();
  /** From here on, what is done is written down. */
  void StartProfile();
  void MarkProfile(std::string label);
  void StopProfile(std::function<void(std::shared_ptr<const Profile>)> done);
  void ListPlans(std::function<void(std::vector<PlanDescription>)> done);
  /** Ends the thread once everything submitted so far is done. */
  void Close();
  /** Whether it has ended: destroying the device waits for nothing. */
  bool finished() const { return finished_; }

 private:
  using Command = std::function<void()>;

  void Enqueue(Command command);
  void Loop();
  void RunOp(OpCall& call);
  /** The first failure since the last await, which is handed over and forgotten. */
  std::shared_ptr<const Failure> TakeFailure();
  std::shared_ptr<const Failure> Attempt(const std::string& op, const std::string& label,
                                         const Command& work);

  std::unique_ptr<Backend> backend_;
  Profiler profiler_;
  std::shared_ptr<const Failure> failure_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Command> queue_;
  bool closing_ = false;  // no more work will come
  bool abandon_ = false;  // what is queued is dropped
  std::atomic<bool> finished_{false};
  std::thread thread_;
};

}  // namespace alexnet
