// The simulated GPU: its memory, its streams with the work that waits in them, and the rules that callers
// must keep.
// Invariant: work runs when somebody waits for it and not before, in the order of its stream; who relies on
// more is told so in a violation.
#pragma once

#include <cuda.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "memory.h"

namespace simulation {

/** What had happened on each stream (by its number) when something was submitted. */
using Clock = std::map<unsigned, uint64_t>;

/** Memory that a piece of work touches. */
struct Access {
  const void* address;
  size_t bytes;  // 0: not known
  bool write;
};

struct Work {
  std::string name;
  std::vector<Access> accesses;
  std::function<void()> run;
};

struct Graph {
  std::vector<Work> work;
};

struct Event {
  bool recorded = false;
  CUstream stream = nullptr;
  uint64_t position = 0;  // in the stream's work
  Clock clock;
  Graph* capture = nullptr;              // recorded while its stream was captured
  std::shared_ptr<double> milliseconds;  // when the stream got there
};

struct Stream {
  unsigned number = 0;
  std::deque<Work> waiting;
  uint64_t submitted = 0;
  uint64_t done = 0;
  Clock clock;
  Graph* capture = nullptr;
  bool capture_origin = false;
};

/** A call that is made to fail. */
struct Injection {
  std::string call;
  int after;  // calls that still succeed
  int times;  // calls that then fail
  int error;  // the library's own status code
};

struct Settings {
  size_t memory_bytes = size_t{8} << 30;
  int compute_capability = 90;  // major * 10 + minor
  bool lazy = true;             // else work runs as soon as it is submitted
};

class Machine {
 public:
  static Machine& Get();

  /** Held through every call of a library. */
  std::recursive_mutex mutex;
  Settings settings;

  // What callers did wrong
  void Violation(const std::string& what);
  std::vector<std::string> TakeViolations();

  // Failures on demand, and counts of calls
  void Inject(Injection injection);
  /** Counts a call. @returns the status it must fail with, or 0 */
  int Enter(const char* call);
  std::map<std::string, uint64_t> calls;
  void Reset();
  /** Gives up all memory and handles that callers left behind. */
  void Forget();

  // Handles: which are alive, by kind
  void Adopt(const void* handle, const char* kind);
  /** @returns whether it lives; a violation says what is wrong otherwise */
  bool Check(const void* handle, const char* kind, const char* call);
  void Drop(const void* handle);
  void ReportLeaks();

  // Context
  CUresult sticky = CUDA_SUCCESS;  // the context is lost: every call gives this
  unsigned context_users = 0;

  // Work
  void Submit(CUstream stream, Work work);
  void Record(Event& event, CUstream stream);
  void Wait(CUstream stream, const Event& event);
  void Drain(CUstream stream, uint64_t position);
  void DrainAll();
  void Synchronized(const Clock& clock);
  /** What runs next on the stream runs now. @returns false if nothing waits */
  bool Step(CUstream stream);
  bool Happened(const Event& event) const;
  /** Ends the capture of all streams that record into the graph. */
  void EndCapture(const Graph* graph);
  bool AnyWaiting(const std::function<bool(const Work&)>& matches) const;
  Memory memory;

 private:
  Machine() = default;
  bool Order(Stream& stream, const Work& work);
  void Run(Stream& stream);
  std::vector<CUstream> Streams() const;

  std::vector<std::string> violations_;
  std::vector<Injection> injections_;
  std::unordered_map<const void*, const char*> handles_;
  Clock host_;
};

Stream& StreamOf(CUstream handle);
Event& EventOf(CUevent handle);

}  // namespace simulation
