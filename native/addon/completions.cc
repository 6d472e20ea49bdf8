// One thread-safe function for each environment carries all completions.
// Invariant: it holds the event loop open exactly while something is pending.
#include "addon/completions.h"

#include <memory>
#include <utility>

namespace alexnet::addon {

Completions::Completions(Napi::Env env)
    : env_(env), function_(decltype(function_)::New(env, "alexnet", 0, 1, this)) {
  function_.Unref(env_);
}

Completions::Ticket Completions::Expect(const Napi::Promise::Deferred& deferred, Buffer buffer) {
  if (pending_.empty()) function_.Ref(env_);
  pending_.emplace(next_, Pending{deferred, std::move(buffer)});
  return next_++;
}

void Completions::Post(Ticket ticket, Settle settle) {
  auto message = std::make_unique<Message>(Message{ticket, std::move(settle)});
  if (function_.NonBlockingCall(message.get()) == napi_ok)
    message.release();  // NOLINT(bugprone-unused-return-value)
}

void Completions::Deliver(Napi::Env env, Napi::Function, Completions* completions, Message* message) {
  const std::unique_ptr<Message> owned(message);
  // Without an environment this is the emptying of the queue at its end, when `completions` may be gone.
  if (static_cast<napi_env>(env) != nullptr) completions->Finish(*owned);
}

void Completions::Finish(const Message& message) {
  const auto found = pending_.find(message.ticket);
  const Pending pending = std::move(found->second);
  pending_.erase(found);
  if (pending_.empty()) function_.Unref(env_);
  try {
    message.settle(pending.deferred);
  } catch (const Napi::Error&) {  // NOLINT(bugprone-empty-catch)
    // The environment is being terminated: there is nobody left to tell.
  }
}

void Completions::Close() {
  pending_.clear();
  if (!closed_) function_.Abort();
  closed_ = true;
}

}  // namespace alexnet::addon
