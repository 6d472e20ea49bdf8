// Results of awaited commands, on their way from a queue's thread to promises.
// Invariant: what belongs to JavaScript stays on its thread, in pending_; queues carry tickets, which hold
// nothing of it. The process stays alive while a promise is pending.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>

namespace alexnet::addon {

class Completions {
 public:
  /** What other threads know of a pending promise. */
  using Ticket = uint64_t;
  /** Resolves or rejects, on the JavaScript thread. */
  using Settle = std::function<void(const Napi::Promise::Deferred&)>;
  using Buffer = Napi::Reference<Napi::TypedArray>;

  explicit Completions(Napi::Env env);
  Completions(const Completions&) = delete;
  Completions& operator=(const Completions&) = delete;
  ~Completions() = default;

  /** JavaScript thread: a command is about to be submitted. `buffer` keeps its memory in place until it is
   * settled. */
  Ticket Expect(const Napi::Promise::Deferred& deferred, Buffer buffer = {});
  /** Any thread: has the promise settled on the JavaScript thread; it never is if the environment goes away
   * before. */
  void Post(Ticket ticket, Settle settle);
  /** JavaScript thread, when no other thread posts any more: what is pending is dropped. Harmless when
   * repeated. */
  void Close();

 private:
  struct Pending {
    Napi::Promise::Deferred deferred;
    Buffer buffer;
  };
  struct Message {
    Ticket ticket;
    Settle settle;
  };

  static void Deliver(Napi::Env env, Napi::Function, Completions* completions, Message* message);
  void Finish(const Message& message);

  Napi::Env env_;
  Napi::TypedThreadSafeFunction<Completions, Message, &Completions::Deliver> function_;
  std::map<Ticket, Pending> pending_;
  Ticket next_ = 1;
  bool closed_ = false;
};

}  // namespace alexnet::addon
