// Everything this addon knows for one JavaScript environment: devices, tensors, pending promises.
// Invariant: no state outside; loaded in several workers, each environment has its own.
#pragma once

#include <napi.h>

#include <map>
#include <memory>
#include <string>

#include "addon/completions.h"
#include "addon/external_memory.h"
#include "addon/handles.h"
#include "core/device.h"

namespace alexnet::addon {

class Instance {
 public:
  Instance(Napi::Env env, Napi::Object exports);
  Instance(const Instance&) = delete;
  Instance& operator=(const Instance&) = delete;
  ~Instance() = default;

 private:
  using Info = const Napi::CallbackInfo&;

  // The functions JavaScript sees; lib/native/addon.ts gives their types.
  Napi::Value Ops(Info info);
  Napi::Value OpenDevice(Info info);
  Napi::Value DescribeDevice(Info info);
  Napi::Value CloseDevice(Info info);
  Napi::Value Dispatch(Info info);
  Napi::Value Upload(Info info);
  Napi::Value UploadLarge(Info info);
  Napi::Value Download(Info info);
  Napi::Value Share(Info info);
  Napi::Value Release(Info info);
  Napi::Value Synchronize(Info info);
  Napi::Value Memory(Info info);
  Napi::Value Trim(Info info);
  Napi::Value BeginGathering(Info info);
  Napi::Value EndGathering(Info info);
  Napi::Value Plans(Info info);
  Napi::Value StartProfile(Info info);
  Napi::Value MarkProfile(Info info);
  Napi::Value StopProfile(Info info);
  Napi::Value ScalePicture(Info info);
  Napi::Value Shutdown(Info info);

  Device& DeviceOf(const Napi::Value& id);
  TensorPtr TensorOf(const Napi::Value& handle, uint32_t device);
  /** @param held_bytes  what this handle keeps alive */
  Handle Register(TensorPtr tensor, uint32_t device, size_t held_bytes);
  /** Has the promise of `ticket` settled when its command has ended. */
  Device::Completion Settling(Completions::Ticket ticket);
  /** Ends all devices and what is awaited of them, while the environment still stands. */
  void Close();

  Napi::Env env_;
  Completions completions_;
  ExternalMemory external_memory_;
  HandleTable handles_;
  std::map<uint32_t, std::unique_ptr<Device>> devices_;
  std::map<uint32_t, std::unique_ptr<Device>> closed_;  // finishing what was submitted
  uint32_t next_device_ = 1;
  bool closing_ = false;
};

}  // namespace alexnet::addon
