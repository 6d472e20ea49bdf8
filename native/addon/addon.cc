// Entry point: one Instance for each JavaScript environment, kept as its instance data.
// Invariant: there is no global state.
#include <napi.h>

#include "addon/instance.h"

namespace {

Napi::Object Initialise(Napi::Env env, Napi::Object exports) {
  env.SetInstanceData(new alexnet::addon::Instance(env, exports));
  return exports;
}

}  // namespace

NODE_API_MODULE(alexnet, Initialise)
