// cuDNN's graph API: cudnnBackend* over the descriptors and engines.
// Invariant: a descriptor that others refer to is finalised; a plan runs only on memory that is large enough.
#include <cudnn.h>

#include <algorithm>
#include <cstring>

#include "cudnn_call.h"
#include "cudnn_engines.h"

namespace simulation {

std::string& LastCudnnError() {
  static std::string message;
  return message;
}

namespace {

constexpr const char* kDescriptorKind = "cuDNN backend descriptor";

DescriptorHandle& HandleOf(Machine& machine, cudnnBackendDescriptor_t descriptor, const char* call) {
  Require(machine, descriptor, kDescriptorKind, call);
  return *static_cast<DescriptorHandle*>(descriptor);
}

const Descriptor& FinalizedOf(Machine& machine, cudnnBackendDescriptor_t descriptor,
                              cudnnBackendDescriptorType_t type, const char* call) {
  const Descriptor& found = *HandleOf(machine, descriptor, call).descriptor;
  if (found.type != type)
    throw CudnnError{CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, std::string("expected a ") + NameOf(type)};
  if (!found.finalized)
    throw CudnnError{CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, std::string(NameOf(type)) + " is not finalised"};
  return found;
}

void CheckTensor(const Descriptor& tensor) {
  const auto dims = tensor.List<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto strides = tensor.List<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  const auto alignment = tensor.Scalar<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
  const auto positive = [](int64_t value) { return value > 0; };
  if (dims.size() != strides.size() || !std::all_of(dims.begin(), dims.end(), positive) ||
      !std::all_of(strides.begin(), strides.end(), positive)) {
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, "tensor: dimensions and strides must be positive and as many"};
  }
  if (alignment < 1 || (alignment & (alignment - 1)) != 0) {
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, "tensor: the alignment must be a power of two"};
  }
}

const Descriptor& GraphOfEngine(const Descriptor& engine) {
  return engine.Child(CUDNN_ATTR_ENGINE_OPERATION_GRAPH);
}

Engine EngineOf(const Descriptor& engine) {
  const auto engines = EnginesFor(GraphOfEngine(engine));
  const auto index = engine.Scalar<int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  if (index < 0 || index >= static_cast<int64_t>(engines.size())) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "no engine " + std::to_string(index)};
  }
  return engines[static_cast<size_t>(index)];
}

/** What must hold when a descriptor is finalised, and what becomes readable then. */
void Finish(Descriptor& descriptor) {
  CheckComplete(descriptor);
  switch (descriptor.type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return CheckTensor(descriptor);
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: {
      const int64_t count = 3;
      return descriptor.Set(CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT, CUDNN_TYPE_INT64, 1, &count);
    }
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR: {
      Compile(GraphOfEngine(descriptor));
      const Engine engine = EngineOf(descriptor);
      descriptor.Set(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                     static_cast<int64_t>(engine.notes.size()), engine.notes.data());
      descriptor.Set(CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE, CUDNN_TYPE_BEHAVIOR_NOTE, 0, nullptr);
      return descriptor.Set(CUDNN_ATTR_ENGINE_KNOB_INFO, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
    }
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: {
      const int64_t workspace = EngineOf(descriptor.Child(CUDNN_ATTR_ENGINECFG_ENGINE)).workspace_bytes;
      const int32_t shared = 0;
      descriptor.Set(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace);
      descriptor.Set(CUDNN_ATTR_ENGINECFG_SHARED_MEMORY_USED, CUDNN_TYPE_INT32, 1, &shared);
      if (!descriptor.Has(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES)) {
        descriptor.Set(CUDNN_ATTR_ENGINECFG_KNOB_CHOICES, CUDNN_TYPE_BACKEND_DESCRIPTOR, 0, nullptr);
      }
      return;
    }
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: {
      const Descriptor& configuration = descriptor.Child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
      const auto workspace = configuration.Scalar<int64_t>(CUDNN_ATTR_ENGINECFG_WORKSPACE_SIZE);
      return descriptor.Set(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &workspace);
    }
    default:
      return CheckConvolution(descriptor);
  }
}

std::shared_ptr<Descriptor> MakeConfiguration(const std::shared_ptr<const Descriptor>& graph, int64_t index) {
  auto engine = std::make_shared<Descriptor>();
  engine->type = CUDNN_BACKEND_ENGINE_DESCRIPTOR;
  engine->values[CUDNN_ATTR_ENGINE_OPERATION_GRAPH] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, {}, {graph}};
  engine->Set(CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64, 1, &index);
  Finish(*engine);
  engine->finalized = true;
  auto configuration = std::make_shared<Descriptor>();
  configuration->type = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR;
  configuration->values[CUDNN_ATTR_ENGINECFG_ENGINE] = {CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, {}, {engine}};
  Finish(*configuration);
  configuration->finalized = true;
  return configuration;
}

/** What heuristics give: the engines that support the graph. */
void FindEngines(Descriptor& heuristics) {
  const auto& graph = heuristics.values.at(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH).descriptors.at(0);
  Compile(*graph);
  Descriptor::Value results;
  results.type = CUDNN_TYPE_BACKEND_DESCRIPTOR;
  const auto mode = heuristics.Scalar<cudnnBackendHeurMode_t>(CUDNN_ATTR_ENGINEHEUR_MODE);
  for (const Engine& engine : EnginesFor(*graph)) {
    // Fallback engines need no memory of their own.
    if (mode == CUDNN_HEUR_MODE_FALLBACK && engine.workspace_bytes > 0) continue;
    results.descriptors.push_back(MakeConfiguration(graph, engine.index));
  }
  results.count = static_cast<int64_t>(results.descriptors.size());
  heuristics.values[CUDNN_ATTR_ENGINEHEUR_RESULTS] = std::move(results);
}

void SetAttribute(Machine& machine, Descriptor& descriptor, cudnnBackendAttributeName_t name,
                  cudnnBackendAttributeType_t type, int64_t count, const void* elements) {
  if (descriptor.finalized) throw CudnnError{CUDNN_STATUS_NOT_INITIALIZED, "the descriptor is finalised"};
  CheckAttribute(descriptor.type, name, type);
  if (count < 0 || (count > 0 && !elements)) throw CudnnError{CUDNN_STATUS_BAD_PARAM, "no elements"};
  descriptor.Set(name, type, count, elements);
  if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) return;
  const auto* children = static_cast<const cudnnBackendDescriptor_t*>(elements);
  for (int64_t i = 0; i < count; ++i) {
    const DescriptorHandle& child = HandleOf(machine, children[i], "cudnnBackendSetAttribute");
    if (!child.descriptor->finalized) {
      throw CudnnError{CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
                       std::string(NameOf(child.descriptor->type)) + " is not finalised"};
    }
    descriptor.values[name].descriptors.push_back(child.descriptor);
  }
}

void GetAttribute(Machine& machine, const Descriptor& descriptor, cudnnBackendAttributeName_t name,
                  cudnnBackendAttributeType_t type, int64_t room, int64_t* count, void* elements) {
  if (!descriptor.finalized)
    throw CudnnError{CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED, "the descriptor is not finalised"};
  CheckAttribute(descriptor.type, name, type);
  const auto found = descriptor.values.find(name);
  if (found == descriptor.values.end()) throw CudnnError{CUDNN_STATUS_BAD_PARAM, "the attribute is not set"};
  const Descriptor::Value& value = found->second;
  if (count) *count = value.count;
  if (!elements) return;
  const int64_t given = std::min(room, value.count);
  if (type != CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    std::memcpy(elements, value.bytes.data(), static_cast<size_t>(given) * SizeOf(type));
    return;
  }
  // Descriptors that the caller made become those that are asked for.
  auto* targets = static_cast<cudnnBackendDescriptor_t*>(elements);
  for (int64_t i = 0; i < given; ++i) {
    *HandleOf(machine, targets[i], "cudnnBackendGetAttribute").descriptor =
        *value.descriptors[static_cast<size_t>(i)];
  }
  if (count) *count = given;
  if (room == 0 && count) *count = value.count;
}

std::map<int64_t, void*> PointersOf(const Descriptor& pack) {
  const auto uids = pack.List<int64_t>(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto pointers = pack.List<void*>(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  if (uids.size() != pointers.size()) throw CudnnError{CUDNN_STATUS_BAD_PARAM, "as many pointers as ids"};
  std::map<int64_t, void*> map;
  for (size_t i = 0; i < uids.size(); ++i) map[uids[i]] = pointers[i];
  return map;
}

void Execute(Machine& machine, CUstream stream, const Descriptor& plan, const Descriptor& pack) {
  const Descriptor& configuration = plan.Child(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  const CompiledGraph compiled = Compile(GraphOfEngine(configuration.Child(CUDNN_ATTR_ENGINECFG_ENGINE)));
  const auto pointers = PointersOf(pack);
  Work work{"cuDNN " + compiled.name, {}, nullptr};
  for (const Operand& operand : compiled.operands) {
    const auto found = pointers.find(operand.uid);
    if (found == pointers.end() || !found->second) {
      throw CudnnError{CUDNN_STATUS_BAD_PARAM,
                       "the variant pack lacks tensor " + std::to_string(operand.uid)};
    }
    if (reinterpret_cast<uintptr_t>(found->second) % static_cast<uintptr_t>(operand.alignment) != 0) {
      throw CudnnError{CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, "tensor " + std::to_string(operand.uid)};
    }
    work.accesses.push_back({found->second, static_cast<size_t>(operand.bytes), operand.write});
  }
  const auto needed = plan.Scalar<int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (needed > 0) {
    auto* workspace = pack.ScalarOr<void*>(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, nullptr);
    if (!workspace) throw CudnnError{CUDNN_STATUS_BAD_PARAM_NULL_POINTER, "the plan needs a workspace"};
    work.accesses.push_back({workspace, static_cast<size_t>(needed), true});
  }
  work.run = [compiled, pointers] { compiled.run(pointers); };
  machine.Submit(stream, std::move(work));
}

}  // namespace
}  // namespace simulation

using namespace simulation;  // NOLINT: the functions below are C's

extern "C" {

cudnnStatus_t CUDNNWINAPI cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                                       cudnnBackendDescriptor_t* descriptor) {
  return CudnnCall("cudnnBackendCreateDescriptor", [&](Machine& machine) {
    if (!NameOf(type))
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED,
                       "a descriptor that is not simulated: " + std::to_string(type)};
    auto* handle = new DescriptorHandle{std::make_shared<Descriptor>()};
    handle->descriptor->type = type;
    machine.Adopt(handle, kDescriptorKind);
    *descriptor = handle;
  });
}

cudnnStatus_t CUDNNWINAPI cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  if (!descriptor)
    return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;  // cudnn-frontend destroys what it has not made
  if (!machine.Check(descriptor, kDescriptorKind, "cudnnBackendDestroyDescriptor"))
    return CUDNN_STATUS_BAD_PARAM;
  machine.Drop(descriptor);
  delete static_cast<DescriptorHandle*>(descriptor);
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t CUDNNWINAPI cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type, int64_t count,
                                                   const void* elements) {
  return CudnnCall("cudnnBackendSetAttribute", [&](Machine& machine) {
    SetAttribute(machine, *HandleOf(machine, descriptor, "cudnnBackendSetAttribute").descriptor, name, type,
                 count, elements);
  });
}

cudnnStatus_t CUDNNWINAPI cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor,
                                                   cudnnBackendAttributeName_t name,
                                                   cudnnBackendAttributeType_t type, int64_t room,
                                                   int64_t* count, void* elements) {
  return CudnnCall("cudnnBackendGetAttribute", [&](Machine& machine) {
    GetAttribute(machine, *HandleOf(machine, descriptor, "cudnnBackendGetAttribute").descriptor, name, type,
                 room, count, elements);
  });
}

cudnnStatus_t CUDNNWINAPI cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  return CudnnCall("cudnnBackendFinalize", [&](Machine& machine) {
    Descriptor& finalized = *HandleOf(machine, descriptor, "cudnnBackendFinalize").descriptor;
    if (finalized.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR ||
        finalized.type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
      const std::string call = std::string("cudnnBackendFinalize ") + NameOf(finalized.type);
      if (const int injected = machine.Enter(call.c_str())) {
        throw CudnnError{static_cast<cudnnStatus_t>(injected), "injected"};
      }
    }
    Finish(finalized);
    if (finalized.type == CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR) FindEngines(finalized);
    finalized.finalized = true;
  });
}

cudnnStatus_t CUDNNWINAPI cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan,
                                              cudnnBackendDescriptor_t pack) {
  return CudnnCall("cudnnBackendExecute", [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, "cudnnBackendExecute");
    Execute(machine, stream,
            FinalizedOf(machine, plan, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, "cudnnBackendExecute"),
            FinalizedOf(machine, pack, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, "cudnnBackendExecute"));
  });
}

}  // extern "C"
