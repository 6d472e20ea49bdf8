// The attributes of each kind of descriptor, as the comments of cudnn_graph.h list them.
// Invariant: the table has what convolutions with bias and ReLU need; the rest of cuDNN does not exist here.
#include "cudnn_descriptors.h"

#include <algorithm>
#include <iterator>

namespace simulation {
namespace {

enum class Need { kRequired, kOptional, kReadOnly };

struct Attribute {
  cudnnBackendDescriptorType_t descriptor;
  cudnnBackendAttributeName_t name;
  cudnnBackendAttributeType_t type;
  Need need;
};

#define TENSOR(name, type, need) \
  {CUDNN_BACKEND_TENSOR_DESCRIPTOR, CUDNN_ATTR_TENSOR_##name, CUDNN_TYPE_##type, Need::need}
#define CONVOLUTION(name, type, need) \
  {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, CUDNN_ATTR_CONVOLUTION_##name, CUDNN_TYPE_##type, Need::need}
#define FORWARD(name, type, need)                                                                           \
  {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_##name, \
   CUDNN_TYPE_##type, Need::need}
#define BACKWARD_DATA(name, type, need)                          \
  {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, \
   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_##name, CUDNN_TYPE_##type, Need::need}
#define BACKWARD_FILTER(name, type, need)                          \
  {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, \
   CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_##name, CUDNN_TYPE_##type, Need::need}
#define POINTWISE(name, type, need) \
  {CUDNN_BACKEND_POINTWISE_DESCRIPTOR, CUDNN_ATTR_POINTWISE_##name, CUDNN_TYPE_##type, Need::need}
#define POINTWISE_OPERATION(name, type, need)                                                              \
  {CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR, CUDNN_ATTR_OPERATION_POINTWISE_##name, CUDNN_TYPE_##type, \
   Need::need}
#define GRAPH(name, type, need) \
  {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, CUDNN_ATTR_OPERATIONGRAPH_##name, CUDNN_TYPE_##type, Need::need}
#define HEURISTIC(name, type, need) \
  {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, CUDNN_ATTR_ENGINEHEUR_##name, CUDNN_TYPE_##type, Need::need}
#define ENGINE(name, type, need) \
  {CUDNN_BACKEND_ENGINE_DESCRIPTOR, CUDNN_ATTR_ENGINE_##name, CUDNN_TYPE_##type, Need::need}
#define CONFIGURATION(name, type, need) \
  {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, CUDNN_ATTR_ENGINECFG_##name, CUDNN_TYPE_##type, Need::need}
#define KNOB(name, type, need) \
  {CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR, CUDNN_ATTR_KNOB_CHOICE_##name, CUDNN_TYPE_##type, Need::need}
#define PLAN(name, type, need) \
  {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, CUDNN_ATTR_EXECUTION_PLAN_##name, CUDNN_TYPE_##type, Need::need}
#define PACK(name, type, need) \
  {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, CUDNN_ATTR_VARIANT_PACK_##name, CUDNN_TYPE_##type, Need::need}

constexpr Attribute kAttributes[] = {
    TENSOR(DATA_TYPE, DATA_TYPE, kRequired),
    TENSOR(DIMENSIONS, INT64, kRequired),
    TENSOR(STRIDES, INT64, kRequired),
    TENSOR(UNIQUE_ID, INT64, kRequired),
    TENSOR(BYTE_ALIGNMENT, INT64, kRequired),
    TENSOR(IS_VIRTUAL, BOOLEAN, kOptional),
    TENSOR(IS_BY_VALUE, BOOLEAN, kOptional),
    TENSOR(REORDERING_MODE, TENSOR_REORDERING_MODE, kOptional),
    TENSOR(VECTOR_COUNT, INT64, kOptional),
    TENSOR(VECTORIZED_DIMENSION, INT64, kOptional),

    CONVOLUTION(COMP_TYPE, DATA_TYPE, kRequired),
    CONVOLUTION(CONV_MODE, CONVOLUTION_MODE, kRequired),
    CONVOLUTION(SPATIAL_DIMS, INT64, kRequired),
    CONVOLUTION(PRE_PADDINGS, INT64, kRequired),
    CONVOLUTION(POST_PADDINGS, INT64, kRequired),
    CONVOLUTION(DILATIONS, INT64, kRequired),
    CONVOLUTION(FILTER_STRIDES, INT64, kRequired),

    FORWARD(X, BACKEND_DESCRIPTOR, kRequired),
    FORWARD(W, BACKEND_DESCRIPTOR, kRequired),
    FORWARD(Y, BACKEND_DESCRIPTOR, kRequired),
    FORWARD(CONV_DESC, BACKEND_DESCRIPTOR, kRequired),
    FORWARD(ALPHA, FLOAT, kOptional),
    FORWARD(BETA, FLOAT, kOptional),
    BACKWARD_DATA(DX, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_DATA(W, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_DATA(DY, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_DATA(CONV_DESC, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_DATA(ALPHA, FLOAT, kOptional),
    BACKWARD_DATA(BETA, FLOAT, kOptional),
    BACKWARD_FILTER(X, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_FILTER(DW, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_FILTER(DY, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_FILTER(CONV_DESC, BACKEND_DESCRIPTOR, kRequired),
    BACKWARD_FILTER(ALPHA, FLOAT, kOptional),
    BACKWARD_FILTER(BETA, FLOAT, kOptional),

    POINTWISE(MODE, POINTWISE_MODE, kRequired),
    POINTWISE(MATH_PREC, DATA_TYPE, kRequired),
    POINTWISE(NAN_PROPAGATION, NAN_PROPOGATION, kOptional),
    POINTWISE(RELU_LOWER_CLIP, DOUBLE, kOptional),
    POINTWISE(RELU_UPPER_CLIP, DOUBLE, kOptional),
    POINTWISE(RELU_LOWER_CLIP_SLOPE, DOUBLE, kOptional),
    POINTWISE_OPERATION(PW_DESCRIPTOR, BACKEND_DESCRIPTOR, kRequired),
    POINTWISE_OPERATION(XDESC, BACKEND_DESCRIPTOR, kRequired),
    POINTWISE_OPERATION(YDESC, BACKEND_DESCRIPTOR, kRequired),
    POINTWISE_OPERATION(BDESC, BACKEND_DESCRIPTOR, kOptional),
    POINTWISE_OPERATION(ALPHA1, FLOAT, kOptional),
    POINTWISE_OPERATION(ALPHA2, FLOAT, kOptional),

    GRAPH(OPS, BACKEND_DESCRIPTOR, kRequired),
    GRAPH(HANDLE, HANDLE, kRequired),
    GRAPH(IS_DYNAMIC_SHAPE_ENABLED, BOOLEAN, kOptional),
    GRAPH(IS_OVERRIDE_SHAPE_ENABLED, BOOLEAN, kOptional),
    GRAPH(ENGINE_GLOBAL_COUNT, INT64, kReadOnly),

    HEURISTIC(OPERATION_GRAPH, BACKEND_DESCRIPTOR, kRequired),
    HEURISTIC(MODE, HEUR_MODE, kRequired),
    HEURISTIC(SM_COUNT_TARGET, INT32, kOptional),
    HEURISTIC(RESULTS, BACKEND_DESCRIPTOR, kReadOnly),

    ENGINE(OPERATION_GRAPH, BACKEND_DESCRIPTOR, kRequired),
    ENGINE(GLOBAL_INDEX, INT64, kRequired),
    ENGINE(NUMERICAL_NOTE, NUMERICAL_NOTE, kReadOnly),
    ENGINE(BEHAVIOR_NOTE, BEHAVIOR_NOTE, kReadOnly),
    ENGINE(KNOB_INFO, BACKEND_DESCRIPTOR, kReadOnly),

    CONFIGURATION(ENGINE, BACKEND_DESCRIPTOR, kRequired),
    CONFIGURATION(KNOB_CHOICES, BACKEND_DESCRIPTOR, kOptional),
    CONFIGURATION(WORKSPACE_SIZE, INT64, kReadOnly),
    CONFIGURATION(SHARED_MEMORY_USED, INT32, kReadOnly),

    KNOB(KNOB_TYPE, KNOB_TYPE, kRequired),
    KNOB(KNOB_VALUE, INT64, kRequired),

    PLAN(ENGINE_CONFIG, BACKEND_DESCRIPTOR, kRequired),
    PLAN(HANDLE, HANDLE, kOptional),
    PLAN(WORKSPACE_SIZE, INT64, kReadOnly),

    PACK(UNIQUE_IDS, INT64, kRequired),
    PACK(DATA_POINTERS, VOID_PTR, kRequired),
    PACK(WORKSPACE, VOID_PTR, kOptional),
    PACK(OVERRIDE_UNIQUE_IDS, INT64, kOptional),
    PACK(OVERRIDE_SHAPES, VOID_PTR, kOptional),
    PACK(OVERRIDE_STRIDES, VOID_PTR, kOptional),
};

const Attribute* Find(cudnnBackendDescriptorType_t descriptor, cudnnBackendAttributeName_t name) {
  const auto* found = std::find_if(std::begin(kAttributes), std::end(kAttributes), [&](const Attribute& a) {
    return a.descriptor == descriptor && a.name == name;
  });
  return found == std::end(kAttributes) ? nullptr : found;
}

}  // namespace

const char* NameOf(cudnnBackendDescriptorType_t type) {
  switch (type) {
    case CUDNN_BACKEND_TENSOR_DESCRIPTOR:
      return "tensor";
    case CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR:
      return "convolution";
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR:
      return "convolution forward";
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR:
      return "convolution backward-data";
    case CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR:
      return "convolution backward-filter";
    case CUDNN_BACKEND_POINTWISE_DESCRIPTOR:
      return "pointwise";
    case CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR:
      return "pointwise operation";
    case CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR:
      return "operation graph";
    case CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR:
      return "heuristics";
    case CUDNN_BACKEND_ENGINE_DESCRIPTOR:
      return "engine";
    case CUDNN_BACKEND_ENGINECFG_DESCRIPTOR:
      return "engine configuration";
    case CUDNN_BACKEND_KNOB_CHOICE_DESCRIPTOR:
      return "knob choice";
    case CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR:
      return "execution plan";
    case CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR:
      return "variant pack";
    default:
      return nullptr;
  }
}

size_t SizeOf(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_HANDLE:
    case CUDNN_TYPE_VOID_PTR:
    case CUDNN_TYPE_BACKEND_DESCRIPTOR:
      return sizeof(void*);
    case CUDNN_TYPE_INT64:
    case CUDNN_TYPE_DOUBLE:
      return 8;
    case CUDNN_TYPE_FLOAT:
    case CUDNN_TYPE_INT32:
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_KNOB_TYPE:
    case CUDNN_TYPE_NAN_PROPOGATION:
    case CUDNN_TYPE_NUMERICAL_NOTE:
    case CUDNN_TYPE_BEHAVIOR_NOTE:
    case CUDNN_TYPE_POINTWISE_MODE:
    case CUDNN_TYPE_TENSOR_REORDERING_MODE:
      return 4;
    case CUDNN_TYPE_BOOLEAN:
      return 1;
    default:
      return 0;
  }
}

void CheckAttribute(cudnnBackendDescriptorType_t descriptor, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type) {
  const Attribute* attribute = Find(descriptor, name);
  const std::string what =
      "attribute " + std::to_string(name) + " of a descriptor of type " + NameOf(descriptor);
  if (!attribute) throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, what + " is not simulated"};
  // The clips of a ReLU may be given as float or double.
  const bool real = attribute->type == CUDNN_TYPE_DOUBLE && type == CUDNN_TYPE_FLOAT;
  if (attribute->type != type && !real)
    throw CudnnError{CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE, what + " has another type"};
}

void CheckComplete(const Descriptor& descriptor) {
  for (const Attribute& attribute : kAttributes) {
    if (attribute.descriptor != descriptor.type || attribute.need != Need::kRequired) continue;
    if (descriptor.Has(attribute.name)) continue;
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, std::string(NameOf(descriptor.type)) + ": attribute " +
                                                 std::to_string(attribute.name) + " is not set"};
  }
}

const Descriptor::Value& Descriptor::At(cudnnBackendAttributeName_t name) const {
  const auto found = values.find(name);
  if (found != values.end()) return found->second;
  throw CudnnError{CUDNN_STATUS_BAD_PARAM,
                   std::string(NameOf(type)) + ": attribute " + std::to_string(name) + " is not set"};
}

double Descriptor::Real(cudnnBackendAttributeName_t name) const {
  return At(name).type == CUDNN_TYPE_FLOAT ? static_cast<double>(Scalar<float>(name)) : Scalar<double>(name);
}

const Descriptor& Descriptor::Child(cudnnBackendAttributeName_t name) const {
  return *At(name).descriptors.at(0);
}

void Descriptor::Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t value_type, int64_t count,
                     const void* elements) {
  Value value;
  value.type = value_type;
  value.count = count;
  const auto* begin = static_cast<const unsigned char*>(elements);
  value.bytes.assign(begin, begin + static_cast<size_t>(count) * SizeOf(value_type));
  values[name] = std::move(value);
}

}  // namespace simulation
