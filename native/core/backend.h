// What a device must be able to do. Growth happens in a backend's kernel table, not here.
// Invariant: every method but the constructor and Memory() is called from the device queue's one thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "core/op_table.h"
#include "core/tensor.h"

namespace alexnet {

struct MemoryStatistics {
  size_t in_use_bytes = 0;  // held by live tensors and running ops
  size_t cached_bytes = 0;  // freed, kept for reuse
  size_t peak_bytes = 0;    // largest in_use_bytes so far
  size_t limit_bytes = 0;   // 0: no limit
};

/** A moment in the order of a device's work. */
class TimeMark {
 public:
  TimeMark() = default;
  TimeMark(const TimeMark&) = delete;
  TimeMark& operator=(const TimeMark&) = delete;
  virtual ~TimeMark() = default;
  /** On a clock of the device's own; asked for only after Synchronize(). */
  virtual double Milliseconds() const = 0;
};

/** A compiled, cached operation: which implementation was chosen for which problem. */
struct PlanDescription {
  std::string op;
  std::string label;
  std::string implementation;
};

class Backend {
 public:
  Backend() = default;
  Backend(const Backend&) = delete;
  Backend& operator=(const Backend&) = delete;
  virtual ~Backend() = default;

  /** Called once, on the queue's thread, before anything else. */
  virtual void Start() {}
  /** Key and value pairs that describe the device, e.g. its instruction set. */
  virtual std::vector<std::pair<std::string, std::string>> Describe() const = 0;
  virtual bool Supports(const OpSpec& op) const = 0;
  /** Allocates the outputs' storage and computes them. */
  virtual void Run(OpCall& call) = 0;
  /** Copies row-major host bytes into the tensor. */
  virtual void Upload(Tensor& tensor, const void* source) = 0;
  /** Copies the tensor to row-major host bytes, complete on return. */
  virtual void Download(const Tensor& tensor, void* target) = 0;
  virtual void Synchronize() = 0;
  /** Frees cached memory that no tensor uses. */
  virtual void Trim() = 0;
  /** Callable from any thread. */
  virtual MemoryStatistics Memory() const = 0;
  virtual std::vector<PlanDescription> Plans() const = 0;

  // Between the two, a device whose launches cost time may gather ops and start them together.
  virtual void BeginGathering() {}
  virtual void EndGathering() {}

  // What profiles are made of. These suit a backend whose Run() returns when the work is done; one that only
  // submits work overrides Mark() with a mark that its device passes in order.
  virtual std::unique_ptr<TimeMark> Mark();
  /** Largest in_use_bytes since the last call. */
  virtual size_t TakeRecentPeak() { return Memory().in_use_bytes; }
};

}  // namespace alexnet
