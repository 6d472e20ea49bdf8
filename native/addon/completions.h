// Results of awaited commands, on their way from a queue's thread to promises.
// Invariant: promises are touched on the JavaScript thread only; the process stays alive while one is pending.
#pragma once

#include <napi.h>

#include <functional>
#include <memory>

namespace alexnet::addon {

class Completions {
 public:
  using Settle = std::function<void(Napi::Env)>;

  explicit Completions(Napi::Env env);
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;
  ~Completions();

  /** JavaScript thread: a command whose settling will be posted has been submitted. */
  void Expect();
  /** Any thread: runs `settle` on the JavaScript thread. Dropped if the environment is going away. */
  void Post(Settle settle);

 private:
  Napi::Env env_;
  Napi::ThreadSafeFunction function_;
  size_t pending_ = 0;
};

}  // namespace alexnet::addon
