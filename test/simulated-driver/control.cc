// Lets tests steer the simulated GPU: a Node addon beside the libraries.
// Invariant: nothing here is seen through the CUDA, cuDNN or cuBLASLt functions, which do not know that it
// exists.
#include <napi.h>

#include <mutex>

#include "machine.h"

namespace simulation {
namespace {

/** violations() -> string[]: what callers did wrong since the last time it was asked. */
Napi::Value Violations(const Napi::CallbackInfo& info) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  const std::vector<std::string> violations = machine.TakeViolations();
  Napi::Array list = Napi::Array::New(info.Env(), violations.size());
  for (uint32_t i = 0; i < violations.size(); ++i) list.Set(i, violations[i]);
  return list;
}

/** fail({ call, after, times, error }): the call succeeds `after` times, then gives `error` `times` times. */
void Fail(const Napi::CallbackInfo& info) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  const auto failure = info[0].As<Napi::Object>();
  const auto integer = [&](const char* name) { return failure.Get(name).As<Napi::Number>().Int32Value(); };
  machine.Inject(
      {failure.Get("call").As<Napi::String>(), integer("after"), integer("times"), integer("error")});
}

/** configure({ memoryBytes, computeCapability, lazy }) */
void Configure(const Napi::CallbackInfo& info) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  const auto options = info[0].As<Napi::Object>();
  Settings& settings = machine.settings;
  if (options.Has("memoryBytes")) {
    settings.memory_bytes = static_cast<size_t>(options.Get("memoryBytes").As<Napi::Number>().Int64Value());
  }
  if (options.Has("computeCapability")) {
    settings.compute_capability = options.Get("computeCapability").As<Napi::Number>().Int32Value();
  }
  if (options.Has("lazy")) settings.lazy = options.Get("lazy").As<Napi::Boolean>();
}

/** reset(): no failures, no violations, no counts, the first settings. */
void Reset(const Napi::CallbackInfo&) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  machine.Reset();
}

/** calls() -> { cuLaunchKernel: 12, ... } since the last reset. */
Napi::Value Calls(const Napi::CallbackInfo& info) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  Napi::Object counts = Napi::Object::New(info.Env());
  for (const auto& [call, count] : machine.calls) counts.Set(call, static_cast<double>(count));
  return counts;
}

/** memory() -> { deviceBytes, peakBytes, pinnedBytes } that callers hold. */
Napi::Value MemoryInUse(const Napi::CallbackInfo& info) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  size_t pinned = 0;
  for (const Allocation* allocation : machine.memory.Live()) {
    if (allocation->kind == MemoryKind::kPinned) pinned += allocation->bytes;
  }
  Napi::Object bytes = Napi::Object::New(info.Env());
  bytes.Set("deviceBytes", static_cast<double>(machine.memory.device_bytes()));
  bytes.Set("peakBytes", static_cast<double>(machine.memory.peak_bytes()));
  bytes.Set("pinnedBytes", static_cast<double>(pinned));
  return bytes;
}

}  // namespace

Napi::Object Exports(Napi::Env env, Napi::Object exports) {
  exports.Set("violations", Napi::Function::New(env, Violations));
  exports.Set("fail", Napi::Function::New(env, Fail));
  exports.Set("configure", Napi::Function::New(env, Configure));
  exports.Set("reset", Napi::Function::New(env, Reset));
  exports.Set("calls", Napi::Function::New(env, Calls));
  exports.Set("memory", Napi::Function::New(env, MemoryInUse));
  return exports;
}

NODE_API_MODULE(control, Exports)

}  // namespace simulation
