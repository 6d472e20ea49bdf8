// The functions that JavaScript calls: they check, translate, submit and return.
// Invariant: none of them waits for work; what they throw is a JavaScript exception with a code.
#include "addon/instance.h"

#include <array>
#include <cstring>

#include "addon/backends.h"
#include "core/error.h"
#include "core/picture.h"

namespace alexnet::addon {
namespace {

/** Calls a member function and turns C++ exceptions into JavaScript ones. */
template <typename Method>
Napi::Function Bind(Napi::Env env, Instance* instance, Method method, const char* name) {
  return Napi::Function::New(
      env,
      [instance, method](const Napi::CallbackInfo& info) -> Napi::Value {
        const char* code = "ERR_NATIVE";
        std::string message;
        try {
          return (instance->*method)(info);
        } catch (const Napi::Error&) {
          throw;
        } catch (const Error& error) {
          code = ToString(error.code());
          message = error.what();
        } catch (const std::exception& error) {
          message = error.what();
        }
        Napi::Error error = Napi::Error::New(info.Env(), message);
        error.Set("code", Napi::String::New(info.Env(), code));
        throw error;
      },
      name);
}

DType DTypeOf(const Napi::Value& value) {
  const int64_t index = value.As<Napi::Number>().Int64Value();
  Check(index >= 0 && index <= static_cast<int64_t>(DType::kOpaque), "no such dtype: ", index);
  return static_cast<DType>(index);
}

Shape ShapeOf(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  Shape shape(array.Length());
  int64_t elements = 1;
  for (uint32_t i = 0; i < shape.size(); ++i) {
    shape[i] = array.Get(i).As<Napi::Number>().Int64Value();
    // 2^40 elements are beyond any machine this runs on, and keep products far from overflow.
    Check(shape[i] > 0 && shape[i] < (int64_t{1} << 40) / elements, "impossible shape ", ToString(shape));
    elements *= shape[i];
  }
  return shape;
}

/** Where a typed array's elements are, also if threads share them. */
unsigned char* DataOf(const Napi::TypedArray& array) {
  void* data = nullptr;
  const napi_status status =
      napi_get_typedarray_info(array.Env(), array, nullptr, nullptr, &data, nullptr, nullptr);
  Check(status == napi_ok, "not a typed array");
  return static_cast<unsigned char*>(data);
}

/** Every object made on the way is let go again: a profile has thousands of entries. */
Napi::Array EntriesToArray(Napi::Env env, const std::vector<ProfileEntry>& entries) {
  Napi::Array list = Napi::Array::New(env, entries.size());
  for (uint32_t i = 0; i < entries.size(); ++i) {
    const Napi::HandleScope scope(env);
    const ProfileEntry& entry = entries[i];
    Napi::Object object = Napi::Object::New(env);
    object.Set("op", entry.op);
    object.Set("label", entry.label);
    object.Set("startMs", entry.start_ms);
    object.Set("durationMs", entry.duration_ms);
    object.Set("keptBytes", static_cast<double>(entry.kept_bytes));
    object.Set("scratchBytes", static_cast<double>(entry.scratch_bytes));
    list.Set(i, object);
  }
  return list;
}

/** Sizes in pixels and the like: below 2^40, so that sums do not overflow. */
template <size_t N>
std::array<int64_t, N> SizesOf(const Napi::Value& value) {
  const auto array = value.As<Napi::Array>();
  Check(array.Length() == N, "expected ", N, " numbers");
  std::array<int64_t, N> sizes;
  for (uint32_t i = 0; i < N; ++i) {
    sizes[i] = array.Get(i).As<Napi::Number>().Int64Value();
    Check(sizes[i] >= 0 && sizes[i] < (int64_t{1} << 40), "impossible size ", sizes[i]);
  }
  return sizes;
}

Napi::Object FailureToObject(Napi::Env env, const Failure& failure) {
  Napi::Object object = Napi::Object::New(env);
  object.Set("code", failure.code);
  object.Set("message", failure.message);
  object.Set("op", failure.op);
  object.Set("label", failure.label);
  return object;
}

}  // namespace

Instance::Instance(Napi::Env env, Napi::Object exports)
    : env_(env), completions_(env), external_memory_(env) {
  const auto add = [&](const char* name, auto method) { exports.Set(name, Bind(env, this, method, name)); };
  add("ops", &Instance::Ops);
  add("openDevice", &Instance::OpenDevice);
  add("describeDevice", &Instance::DescribeDevice);
  add("closeDevice", &Instance::CloseDevice);
  add("dispatch", &Instance::Dispatch);
  add("upload", &Instance::Upload);
  add("uploadLarge", &Instance::UploadLarge);
  add("download", &Instance::Download);
  add("share", &Instance::Share);
  add("release", &Instance::Release);
  add("synchronize", &Instance::Synchronize);
  add("memory", &Instance::Memory);
  add("trim", &Instance::Trim);
  add("beginGathering", &Instance::BeginGathering);
  add("endGathering", &Instance::EndGathering);
  add("plans", &Instance::Plans);
  add("startProfile", &Instance::StartProfile);
  add("markProfile", &Instance::MarkProfile);
  add("stopProfile", &Instance::StopProfile);
  add("scalePicture", &Instance::ScalePicture);
  add("shutdown", &Instance::Shutdown);
  // Runs before what the environment itself tears down, the thread-safe function among it.
  napi_add_env_cleanup_hook(env, [](void* instance) { static_cast<Instance*>(instance)->Close(); }, this);
}

void Instance::Close() {
  closing_ = true;
  // Tensors die on their device's thread, before the device does.
  for (auto& [id, device] : devices_) {
    for (HandleTable::Entry& entry : handles_.RemoveAll(id)) device->Release(std::move(entry.tensor));
  }
  devices_.clear();
  closed_.clear();
  completions_.Close();
}

Device& Instance::DeviceOf(const Napi::Value& id) {
  const auto found = devices_.find(id.As<Napi::Number>().Uint32Value());
  Check(found != devices_.end(), "the device is closed");
  return *found->second;
}

TensorPtr Instance::TensorOf(const Napi::Value& handle, uint32_t device) {
  TensorPtr tensor = handles_.Find(handle.As<Napi::Number>().DoubleValue(), device);
  Check(tensor != nullptr, "a tensor was used after it was disposed");
  return tensor;
}

Handle Instance::Register(TensorPtr tensor, uint32_t device, size_t held_bytes) {
  const auto bytes = static_cast<int64_t>(held_bytes);
  const Handle handle = handles_.Add({std::move(tensor), bytes}, device);
  external_memory_.Add(bytes);
  return handle;
}

Napi::Value Instance::Ops(Info info) {
  Napi::Array ops = Napi::Array::New(info.Env());
  for (const OpSpec& spec : OpTable()) {
    Napi::Object op = Napi::Object::New(info.Env());
    op.Set("name", spec.name);
    op.Set("signature", spec.signature);
    ops.Set(ops.Length(), op);
  }
  return ops;
}

// openDevice(kind, { threads, memoryLimitBytes, winograd, workspaceLimitBytes, tf32, deterministic,
// measurePlans, planFile })
//   -> id
Napi::Value Instance::OpenDevice(Info info) {
  Check(!closing_, "the process is about to exit");
  const std::string kind = info[0].As<Napi::String>();
  const auto options = info[1].As<Napi::Object>();
  const BackendOptions backend_options = {
      options.Get("threads").As<Napi::Number>().Int32Value(),
      static_cast<size_t>(options.Get("memoryLimitBytes").As<Napi::Number>().Int64Value()),
      options.Get("winograd").As<Napi::Boolean>(),
      static_cast<size_t>(options.Get("workspaceLimitBytes").As<Napi::Number>().Int64Value()),
      options.Get("tf32").As<Napi::Boolean>(),
      options.Get("deterministic").As<Napi::Boolean>(),
      options.Get("measurePlans").As<Napi::Boolean>(),
      options.Get("planFile").As<Napi::String>()};
  for (auto closed = closed_.begin(); closed != closed_.end();) {
    closed = closed->second->finished() ? closed_.erase(closed) : std::next(closed);
  }
  const uint32_t id = next_device_++;
  devices_.emplace(id, std::make_unique<Device>(MakeBackend(kind, backend_options)));
  return Napi::Number::New(info.Env(), id);
}

Napi::Value Instance::DescribeDevice(Info info) {
  Napi::Object description = Napi::Object::New(info.Env());
  for (const auto& [key, value] : DeviceOf(info[0]).backend().Describe()) description.Set(key, value);
  return description;
}

// closeDevice(id): tensors of the device are released; what was submitted is still done.
Napi::Value Instance::CloseDevice(Info info) {
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  const auto found = devices_.find(id);
  if (found == devices_.end()) return info.Env().Undefined();
  int64_t bytes = 0;
  for (HandleTable::Entry& entry : handles_.RemoveAll(id)) {
    bytes += entry.held_bytes;
    found->second->Release(std::move(entry.tensor));
  }
  external_memory_.Add(-bytes);
  found->second->Trim();
  found->second->Close();
  closed_.emplace(id, std::move(found->second));
  devices_.erase(found);
  return info.Env().Undefined();
}

// dispatch(device, op, inputs: (handle | null)[], outputs: ([dtype, shape] | null)[], attributes: number[],
// label)
//   -> handles of the outputs, null where null was given
Napi::Value Instance::Dispatch(Info info) {
  Device& device = DeviceOf(info[0]);
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  OpCall call;
  const uint32_t op = info[1].As<Napi::Number>().Uint32Value();
  Check(op < OpTable().size(), "no such op: ", op);
  call.op = &OpTable()[op];
  const auto inputs = info[2].As<Napi::Array>();
  for (uint32_t i = 0; i < inputs.Length(); ++i) {
    const Napi::Value handle = inputs.Get(i);
    call.inputs.push_back(handle.IsNull() ? nullptr : TensorOf(handle, id));
  }
  const auto outputs = info[3].As<Napi::Array>();
  for (uint32_t i = 0; i < outputs.Length(); ++i) {
    const Napi::Value spec = outputs.Get(i);
    if (spec.IsNull()) {
      call.outputs.push_back(nullptr);
      continue;
    }
    const auto pair = spec.As<Napi::Array>();
    call.outputs.push_back(std::make_shared<Tensor>(DTypeOf(pair.Get(0u)), ShapeOf(pair.Get(1u))));
  }
  const auto attributes = info[4].As<Napi::Array>();
  for (uint32_t i = 0; i < attributes.Length(); ++i) {
    call.attributes.push_back(attributes.Get(i).As<Napi::Number>().DoubleValue());
  }
  call.label = info[5].As<Napi::String>();
  Validate(call);
  Napi::Array handles = Napi::Array::New(info.Env(), call.outputs.size());
  for (uint32_t i = 0; i < call.outputs.size(); ++i) {
    const TensorPtr& output = call.outputs[i];
    handles.Set(
        i, output ? Napi::Number::New(info.Env(), Register(output, id, output->bytes())).As<Napi::Value>()
                  : info.Env().Null());
  }
  device.Submit(std::move(call));
  return handles;
}

// upload(device, typed array, dtype, shape) -> handle; the bytes are copied before it returns
Napi::Value Instance::Upload(Info info) {
  Device& device = DeviceOf(info[0]);
  const auto source = info[1].As<Napi::TypedArray>();
  auto tensor = std::make_shared<Tensor>(DTypeOf(info[2]), ShapeOf(info[3]));
  Check(source.ByteLength() == tensor->bytes(), "upload of ", source.ByteLength(), " bytes into ",
        tensor->bytes());
  const unsigned char* bytes = DataOf(source);
  device.Upload(tensor, std::vector<unsigned char>(bytes, bytes + source.ByteLength()));
  const size_t size = tensor->bytes();
  return Napi::Number::New(info.Env(), Register(tensor, info[0].As<Napi::Number>().Uint32Value(), size));
}

Device::Completion Instance::Settling(Completions::Ticket ticket) {
  return [this, ticket](const std::shared_ptr<const Failure>& failure) {
    completions_.Post(ticket, [failure](const Napi::Promise::Deferred& deferred) {
      const Napi::Env env = deferred.Env();
      const Napi::HandleScope scope(env);
      if (failure) {
        deferred.Reject(FailureToObject(env, *failure));
      } else {
        deferred.Resolve(env.Undefined());
      }
    });
  };
}

// uploadLarge(device, typed array, dtype, shape) -> [handle, promise]; the array is read until the promise
// settles
Napi::Value Instance::UploadLarge(Info info) {
  Device& device = DeviceOf(info[0]);
  const auto source = info[1].As<Napi::TypedArray>();
  auto tensor = std::make_shared<Tensor>(DTypeOf(info[2]), ShapeOf(info[3]));
  Check(source.ByteLength() == tensor->bytes(), "upload of ", source.ByteLength(), " bytes into ",
        tensor->bytes());
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  device.Upload(tensor, DataOf(source), Settling(completions_.Expect(deferred, Napi::Persistent(source))));
  Napi::Array result = Napi::Array::New(info.Env(), 2);
  const size_t size = tensor->bytes();
  result.Set(0u,
             Napi::Number::New(info.Env(), Register(tensor, info[0].As<Napi::Number>().Uint32Value(), size)));
  result.Set(1u, deferred.Promise());
  return result;
}

// download(device, handle, typed array) -> promise; the array is filled when it resolves
Napi::Value Instance::Download(Info info) {
  Device& device = DeviceOf(info[0]);
  TensorPtr tensor = TensorOf(info[1], info[0].As<Napi::Number>().Uint32Value());
  const auto target = info[2].As<Napi::TypedArray>();
  Check(tensor->dtype != DType::kOpaque, "the state an op saves for its backward op cannot be read");
  Check(target.ByteLength() == tensor->bytes(), "download of ", tensor->bytes(), " bytes into ",
        target.ByteLength());
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  device.Download(tensor, DataOf(target), Settling(completions_.Expect(deferred, Napi::Persistent(target))));
  return deferred.Promise();
}

Napi::Value Instance::Release(Info info) {
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  const auto found = devices_.find(id);
  if (found == devices_.end()) return info.Env().Undefined();  // closed: its tensors are gone already
  HandleTable::Entry entry = handles_.Remove(info[1].As<Napi::Number>().DoubleValue(), id);
  if (!entry.tensor) return info.Env().Undefined();
  external_memory_.Add(-entry.held_bytes);
  found->second->Release(std::move(entry.tensor));
  return info.Env().Undefined();
}

// share(device, handle) -> another handle of the same tensor, released on its own
Napi::Value Instance::Share(Info info) {
  DeviceOf(info[0]);
  const uint32_t id = info[0].As<Napi::Number>().Uint32Value();
  return Napi::Number::New(info.Env(), Register(TensorOf(info[1], id), id, 0));
}

Napi::Value Instance::Synchronize(Info info) {
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  Device& device = DeviceOf(info[0]);
  device.Synchronize(Settling(completions_.Expect(deferred)));
  return deferred.Promise();
}

Napi::Value Instance::Memory(Info info) {
  const MemoryStatistics memory = DeviceOf(info[0]).backend().Memory();
  Napi::Object object = Napi::Object::New(info.Env());
  object.Set("inUseBytes", Napi::Number::New(info.Env(), static_cast<double>(memory.in_use_bytes)));
  object.Set("cachedBytes", Napi::Number::New(info.Env(), static_cast<double>(memory.cached_bytes)));
  object.Set("peakBytes", Napi::Number::New(info.Env(), static_cast<double>(memory.peak_bytes)));
  object.Set("limitBytes", Napi::Number::New(info.Env(), static_cast<double>(memory.limit_bytes)));
  object.Set("tensors", Napi::Number::New(info.Env(), static_cast<double>(handles_.live())));
  return object;
}

Napi::Value Instance::Trim(Info info) {
  DeviceOf(info[0]).Trim();
  return info.Env().Undefined();
}

Napi::Value Instance::BeginGathering(Info info) {
  DeviceOf(info[0]).BeginGathering();
  return info.Env().Undefined();
}

Napi::Value Instance::EndGathering(Info info) {
  DeviceOf(info[0]).EndGathering();
  return info.Env().Undefined();
}

// plans(device) -> promise of [{ op, label, implementation }], the most recently used first
Napi::Value Instance::Plans(Info info) {
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  Device& device = DeviceOf(info[0]);
  device.ListPlans([this, ticket = completions_.Expect(deferred)](std::vector<PlanDescription> plans) {
    completions_.Post(ticket, [plans = std::move(plans)](const Napi::Promise::Deferred& deferred) {
      const Napi::Env env = deferred.Env();
      const Napi::HandleScope scope(env);
      Napi::Array list = Napi::Array::New(env, plans.size());
      for (uint32_t i = 0; i < plans.size(); ++i) {
        Napi::Object plan = Napi::Object::New(env);
        plan.Set("op", plans[i].op);
        plan.Set("label", plans[i].label);
        plan.Set("implementation", plans[i].implementation);
        list.Set(i, plan);
      }
      deferred.Resolve(list);
    });
  });
  return deferred.Promise();
}

// startProfile(device), markProfile(device, label): take effect in the order of the device's work
Napi::Value Instance::StartProfile(Info info) {
  DeviceOf(info[0]).StartProfile();
  return info.Env().Undefined();
}

Napi::Value Instance::MarkProfile(Info info) {
  DeviceOf(info[0]).MarkProfile(info[1].As<Napi::String>());
  return info.Env().Undefined();
}

// stopProfile(device) -> promise of { entries: [{ op, label, startMs, durationMs, keptBytes, scratchBytes }],
// dropped }
Napi::Value Instance::StopProfile(Info info) {
  const auto deferred = Napi::Promise::Deferred::New(info.Env());
  Device& device = DeviceOf(info[0]);
  device.StopProfile([this, ticket = completions_.Expect(deferred)](std::shared_ptr<const Profile> profile) {
    completions_.Post(ticket, [profile = std::move(profile)](const Napi::Promise::Deferred& deferred) {
      const Napi::Env env = deferred.Env();
      const Napi::HandleScope scope(env);
      Napi::Object object = Napi::Object::New(env);
      object.Set("entries", EntriesToArray(env, profile->entries));
      object.Set("dropped", static_cast<double>(profile->dropped));
      deferred.Resolve(object);
    });
  });
  return deferred.Promise();
}

// scalePicture(bytes, [width, height, channels, orientation],
//              [scaledWidth, scaledHeight, left, top, width, height]) -> Uint8Array [height, width, 3]
// Needs no device, and works at once, in the thread that calls.
Napi::Value Instance::ScalePicture(Info info) {
  const auto bytes = info[0].As<Napi::TypedArray>();
  const std::array<int64_t, 4> of = SizesOf<4>(info[1]);
  const std::array<int64_t, 6> to = SizesOf<6>(info[2]);
  const Raster raster = {DataOf(bytes), of[0], of[1], of[2], of[3]};
  const PictureCut cut = {to[0], to[1], to[2], to[3], to[4], to[5]};
  Check(of[2] == 3 || of[2] == 4, "a picture of ", of[2], " channels");
  Check(of[3] >= 1 && of[3] <= 8, "no such orientation: ", of[3]);
  const auto values = static_cast<int64_t>(bytes.ByteLength());
  Check(of[0] > 0 && of[1] > 0 && of[0] <= values / of[1] && of[0] * of[1] * of[2] == values, "a picture of ",
        of[0], "x", of[1], " with ", values, " bytes");
  Check(cut.width > 0 && cut.height > 0 && cut.width <= (int64_t{1} << 30) / cut.height && cut.left >= 0 &&
            cut.top >= 0 && cut.left + cut.width <= cut.scaled_width &&
            cut.top + cut.height <= cut.scaled_height,
        "a cut of ", cut.width, "x", cut.height, " at (", cut.left, ", ", cut.top, ") of ", cut.scaled_width,
        "x", cut.scaled_height);
  auto out = Napi::Uint8Array::New(info.Env(), static_cast<size_t>(cut.width * cut.height * 3));
  alexnet::ScalePicture(raster, cut, out.Data());
  return out;
}

// shutdown(): ends all devices at once. Called when the process exits: exit() destroys the globals of
// libraries, and no thread may use them then.
Napi::Value Instance::Shutdown(Info info) {
  Close();
  return info.Env().Undefined();
}

}  // namespace alexnet::addon
