// Order and truth: what has happened before what, who may touch which memory, what is still alive.
// Invariant: every broken rule becomes one violation in plain words; none of them ends the process.
#include "machine.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <utility>

namespace simulation {
namespace {

constexpr size_t kMostViolations = 100;

const char* volatile running = "nothing";
struct sigaction previous_handler;

void Merge(Clock& into, const Clock& from) {
  for (const auto& [stream, position] : from) into[stream] = std::max(into[stream], position);
}

/** A kernel left its memory: says which one, then leaves the rest to whoever handled faults before. */
void OnFault(int signal, siginfo_t* info, void*) {
  if (Machine::Get().memory.InArena(reinterpret_cast<uintptr_t>(info->si_addr))) {
    const auto say = [](const char* text) { (void)!write(STDERR_FILENO, text, std::strlen(text)); };
    say("simulated GPU: ");
    say(running);
    say(" touched memory that it may not: ");
    say(Machine::Get().memory.Describe(info->si_addr).c_str());
    say("\n");
  }
  sigaction(signal, &previous_handler, nullptr);
}

void PrintRest() {
  for (const std::string& violation : Machine::Get().TakeViolations()) {
    std::fprintf(stderr, "simulated GPU: %s\n", violation.c_str());
  }
}

bool IsLost(int error) {
  return error == CUDA_ERROR_ILLEGAL_ADDRESS || error == CUDA_ERROR_LAUNCH_FAILED ||
         error == CUDA_ERROR_LAUNCH_TIMEOUT || error == CUDA_ERROR_ECC_UNCORRECTABLE ||
         error == CUDA_ERROR_HARDWARE_STACK_ERROR || error == CUDA_ERROR_ILLEGAL_INSTRUCTION ||
         error == CUDA_ERROR_MISALIGNED_ADDRESS || error == CUDA_ERROR_DEVICE_UNAVAILABLE;
}

}  // namespace

Machine& Machine::Get() {
  // Never destroyed: libraries of the process may call until its very end.
  static Machine* machine = [] {
    struct sigaction action{};
    action.sa_sigaction = OnFault;
    action.sa_flags = SA_SIGINFO | SA_NODEFER;
    sigaction(SIGSEGV, &action, &previous_handler);
    std::atexit(PrintRest);
    return new Machine;
  }();
  return *machine;
}

void Machine::Violation(const std::string& what) {
  if (violations_.size() < kMostViolations) violations_.push_back(what);
}

std::vector<std::string> Machine::TakeViolations() {
  return std::exchange(violations_, {});
}

void Machine::Inject(Injection injection) {
  injections_.push_back(std::move(injection));
}

int Machine::Enter(const char* call) {
  ++calls[call];
  for (Injection& injection : injections_) {
    if (injection.call != call || injection.times == 0) continue;
    if (injection.after > 0) {
      --injection.after;
      continue;
    }
    --injection.times;
    if (std::strncmp(call, "cu", 2) == 0 && std::strncmp(call, "cudnn", 5) != 0 &&
        std::strncmp(call, "cublas", 6) != 0 && IsLost(injection.error)) {
      sticky = static_cast<CUresult>(injection.error);
    }
    return injection.error;
  }
  return 0;
}

void Machine::Reset() {
  injections_.clear();
  violations_.clear();
  calls.clear();
  settings = Settings();
  if (context_users == 0) sticky = CUDA_SUCCESS;
}

void Machine::Forget() {
  handles_.clear();
  for (const Allocation* allocation : memory.Live()) {
    memory.Free(reinterpret_cast<void*>(allocation->begin), allocation->kind);
  }
}

void Machine::Adopt(const void* handle, const char* kind) {
  handles_[handle] = kind;
}

bool Machine::Check(const void* handle, const char* kind, const char* call) {
  const auto found = handles_.find(handle);
  if (found != handles_.end() && std::strcmp(found->second, kind) == 0) return true;
  const char* what = found != handles_.end() ? found->second
                     : handle                ? "something destroyed or never made"
                                             : "null";
  Violation(std::string(call) + ": expected a " + kind + ", got " + what);
  return false;
}

void Machine::Drop(const void* handle) {
  handles_.erase(handle);
}

void Machine::ReportLeaks() {
  std::map<std::string, int> left;
  for (const auto& [handle, kind] : handles_) ++left[kind];
  for (const Allocation* allocation : memory.Live()) {
    ++left[allocation->kind == MemoryKind::kDevice ? "allocation of the device" : "pinned allocation"];
  }
  for (const auto& [kind, count] : left) {
    Violation("left behind when the context was released: " + std::to_string(count) + " x " + kind);
  }
}

/** Decides what the work comes after. @returns whether it touches only memory that it may */
bool Machine::Order(Stream& stream, const Work& work) {
  bool allowed = true;
  Merge(stream.clock, host_);
  const uint64_t position = ++stream.submitted;
  stream.clock[stream.number] = position;
  for (const Access& access : work.accesses) {
    Allocation* allocation = memory.Find(access.address, std::max<size_t>(access.bytes, 1));
    if (!allocation) {
      Violation(work.name + (access.write ? " writes " : " reads ") + std::to_string(access.bytes) +
                " bytes at " + memory.Describe(access.address));
      sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
      allowed = false;
      continue;
    }
    const auto begin = reinterpret_cast<uintptr_t>(access.address);
    // Of an access whose extent is not known the begin counts: what lies behind it may be another's.
    const uintptr_t end = begin + std::max<size_t>(access.bytes, 1);
    auto& touches = allocation->touches;
    for (const Touch& touch : touches) {
      if (touch.begin >= end || touch.end <= begin || touch.stream == stream.number) continue;
      if (!(touch.write || access.write) || stream.clock[touch.stream] >= touch.position) continue;
      Violation(work.name + " on stream " + std::to_string(stream.number) +
                (access.write ? " writes" : " reads") + " what " + touch.work + " on stream " +
                std::to_string(touch.stream) + (touch.write ? " writes" : " reads") +
                ", and does not wait for it");
    }
    const auto settled = [&](const Touch& touch) {
      return begin <= touch.begin && touch.end <= end &&
             (access.write || (!touch.write && touch.stream == stream.number));
    };
    touches.erase(std::remove_if(touches.begin(), touches.end(), settled), touches.end());
    touches.push_back({begin, end, access.write, stream.number, position, work.name});
  }
  return allowed;
}

void Machine::Submit(CUstream handle, Work work) {
  Stream& stream = StreamOf(handle);
  if (stream.capture) {
    stream.capture->work.push_back(std::move(work));
    return;
  }
  if (!Order(stream, work)) work.run = [] {};
  stream.waiting.push_back(std::move(work));
  if (!settings.lazy) Drain(handle, stream.submitted);
}

void Machine::Run(Stream& stream) {
  const Work work = std::move(stream.waiting.front());
  stream.waiting.pop_front();
  ++stream.done;
  if (sticky != CUDA_SUCCESS) return;
  running = work.name.c_str();
  try {
    work.run();
  } catch (const std::exception& error) {
    Violation(work.name + ": " + error.what());
    sticky = CUDA_ERROR_LAUNCH_FAILED;
  }
  running = "nothing";
  for (const Access& access : work.accesses) {
    const Allocation* allocation = access.write ? memory.Find(access.address, 1) : nullptr;
    const std::string overrun = allocation ? Memory::FindOverrun(*allocation) : "";
    if (overrun.empty()) continue;
    Violation(work.name + " wrote " + overrun);
    sticky = CUDA_ERROR_ILLEGAL_ADDRESS;
  }
}

bool Machine::Step(CUstream handle) {
  Stream& stream = StreamOf(handle);
  if (stream.waiting.empty()) return false;
  Run(stream);
  return true;
}

void Machine::Drain(CUstream handle, uint64_t position) {
  Stream& stream = StreamOf(handle);
  while (stream.done < position && !stream.waiting.empty()) Run(stream);
}

std::vector<CUstream> Machine::Streams() const {
  std::vector<CUstream> streams;
  for (const auto& [handle, kind] : handles_) {
    if (std::strcmp(kind, "stream") == 0) streams.push_back(static_cast<CUstream>(const_cast<void*>(handle)));
  }
  return streams;
}

void Machine::DrainAll() {
  for (CUstream stream : Streams()) {
    Drain(stream, StreamOf(stream).submitted);
    Synchronized(StreamOf(stream).clock);
  }
}

bool Machine::Happened(const Event& event) const {
  return !event.recorded || handles_.count(event.stream) == 0 ||
         StreamOf(event.stream).done >= event.position;
}

void Machine::EndCapture(const Graph* graph) {
  for (CUstream handle : Streams()) {
    Stream& stream = StreamOf(handle);
    if (stream.capture != graph) continue;
    stream.capture = nullptr;
    stream.capture_origin = false;
  }
}

bool Machine::AnyWaiting(const std::function<bool(const Work&)>& matches) const {
  for (CUstream stream : Streams()) {
    const auto& waiting = StreamOf(stream).waiting;
    if (std::any_of(waiting.begin(), waiting.end(), matches)) return true;
  }
  return false;
}

void Machine::Record(Event& event, CUstream handle) {
  Stream& stream = StreamOf(handle);
  event.recorded = true;
  event.capture = stream.capture;
  if (event.capture) return;
  Merge(stream.clock, host_);
  event.milliseconds = std::make_shared<double>(0);
  Submit(handle, {"an event", {}, [time = event.milliseconds] {
                    const auto now = std::chrono::steady_clock::now().time_since_epoch();
                    *time = std::chrono::duration<double, std::milli>(now).count();
                  }});
  event.stream = handle;
  event.position = stream.submitted;
  event.clock = stream.clock;
}

void Machine::Wait(CUstream handle, const Event& event) {
  Stream& stream = StreamOf(handle);
  Merge(stream.clock, event.clock);
  const CUstream other = event.stream;
  if (!other || other == handle) return;
  const uint64_t position = event.position;
  Submit(handle, {"a wait for an event", {}, [this, other, position] {
                    if (handles_.count(other)) Drain(other, position);
                  }});
}

void Machine::Synchronized(const Clock& clock) {
  Merge(host_, clock);
}

Stream& StreamOf(CUstream handle) {
  return *reinterpret_cast<Stream*>(handle);
}
Event& EventOf(CUevent handle) {
  return *reinterpret_cast<Event*>(handle);
}

}  // namespace simulation
