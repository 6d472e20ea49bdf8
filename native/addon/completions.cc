// One thread-safe function for each environment carries all completions.
// Invariant: it holds the event loop open exactly while pending_ is not zero.
#include "addon/completions.h"

namespace alexnet::addon {

Completions::Completions(Napi::Env env)
    : env_(env),
      function_(Napi::ThreadSafeFunction::New(env, Napi::Function::New(env, [](const Napi::CallbackInfo&) {}),
                                              "alexnet", 0, 1)) {
  function_.Unref(env_);
}

Completions::~Completions() { function_.Abort(); }

void Completions::Expect() {
  if (pending_++ == 0) function_.Ref(env_);
}

void Completions::Post(Settle settle) {
  auto* carried = new Settle(std::move(settle));
  const napi_status status = function_.NonBlockingCall(carried, [this](Napi::Env env, Napi::Function, Settle* done) {
    const std::unique_ptr<Settle> owned(done);
    if (static_cast<napi_env>(env) == nullptr) return;  // the environment is being torn down
    if (--pending_ == 0) function_.Unref(env);
    (*owned)(env);
  });
  if (status != napi_ok) delete carried;
}

}  // namespace alexnet::addon
