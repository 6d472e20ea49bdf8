// Convolutions and fully connected layers of 8-bit integers on oneDNN: activations of one scale, uint8 or
// int8; weights int8 with a scale for each output; sums exact in int32. y = relu(inputScale * scale_o * sum +
// b_o) / outputScale.
// Invariant: only with VNNI, for without it oneDNN adds pairs of products in 16 bits, which saturate.
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

constexpr auto kFloat = memory::data_type::f32;
constexpr auto kKind = prop_kind::forward_inference;

void RequireVnni() {
  if (!HasVnni()) {
    throw Error(ErrorCode::kUnsupported,
                "this processor has no VNNI, or ONEDNN_MAX_CPU_ISA hides it: 8-bit integers would saturate; "
                "use float32");
  }
}

bool WritesIntegers(const OpCall& call) {
  return call.outputs[0]->dtype != DType::kFloat32;
}

/** @param outputs  bits of the dimensions of the weights that outputs lie along */
dnnl::primitive_attr Attributes(const OpCall& call, int outputs) {
  dnnl::primitive_attr attributes = PrimitiveAttributes(call.Flag("relu"));
  attributes.set_scales_mask(DNNL_ARG_SRC, 0);
  attributes.set_scales_mask(DNNL_ARG_WEIGHTS, outputs);
  if (WritesIntegers(call)) attributes.set_scales_mask(DNNL_ARG_DST, 0);
  return attributes;
}

/** Of the bias: absent if the layer has none. */
memory::desc BiasLayout(const OpCall& call) {
  return call.inputs[3] ? PlainLayout(call.inputs[3]->shape, kFloat) : memory::desc();
}

Plan MakeConvolution(CpuBackend& backend, const OpCall& call) {
  const Tensor &x = *call.inputs[0], &y = *call.outputs[0];
  const Shape& w = call.inputs[1]->shape;
  const int64_t groups = call.Integer("groups");
  const memory::dims weights = groups == 1 ? w : memory::dims{groups, w[0] / groups, w[1], w[2], w[3]};
  const dnnl::convolution_forward::primitive_desc descriptor(
      backend.engine(), kKind, algorithm::convolution_direct, AnyLayout(x.shape, TypeOf(x.dtype)),
      AnyLayout(weights, memory::data_type::s8), BiasLayout(call), AnyLayout(y.shape, TypeOf(y.dtype)),
      {call.Integer("strideH"), call.Integer("strideW")}, {call.Integer("padTop"), call.Integer("padLeft")},
      {call.Integer("padBottom"), call.Integer("padRight")}, Attributes(call, groups == 1 ? 1 : 3));
  return PlanOf<dnnl::convolution_forward>(descriptor, {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST});
}

Plan MakeLinear(CpuBackend& backend, const OpCall& call) {
  const Tensor &x = *call.inputs[0], &y = *call.outputs[0];
  const memory::desc rows = PlainLayout(x), target = PlainLayout(y);
  const dnnl::inner_product_forward::primitive_desc descriptor(
      backend.engine(), kKind, rows, AnyLayout(call.inputs[1]->shape, memory::data_type::s8),
      BiasLayout(call), target, Attributes(call, 1));
  return PlanOf<dnnl::inner_product_forward>(descriptor, {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST});
}

Buffer Scalar(CpuBackend& backend, double value) {
  Buffer buffer = backend.Allocate(PlainLayout(memory::dims{1}, kFloat));
  *buffer.floats() = static_cast<float>(value);
  return buffer;
}

void Run(CpuBackend& backend, OpCall& call, Plan (*make)(CpuBackend&, const OpCall&)) {
  RequireVnni();
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] { return make(backend, call); });
  const Buffer scales = Plain(backend, *call.inputs[2]);
  std::unordered_map<int, Buffer> arguments = {
      {DNNL_ARG_SRC, In(backend, *call.inputs[0], plan->layout(DNNL_ARG_SRC))},
      {DNNL_ARG_WEIGHTS, Weights(backend, *call.inputs[1], plan->layout(DNNL_ARG_WEIGHTS))},
      {DNNL_ARG_DST, backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DST))},
      {DNNL_ARG_ATTR_SCALES | DNNL_ARG_SRC, Scalar(backend, call.Number("inputScale"))},
      {DNNL_ARG_ATTR_SCALES | DNNL_ARG_WEIGHTS, scales}};
  if (call.inputs[3]) arguments.emplace(DNNL_ARG_BIAS, Plain(backend, *call.inputs[3]));
  if (WritesIntegers(call)) {
    arguments.emplace(DNNL_ARG_ATTR_SCALES | DNNL_ARG_DST, Scalar(backend, call.Number("outputScale")));
  }
  backend.Execute(*plan, arguments);
}

}  // namespace

void Conv2dInt8(CpuBackend& backend, OpCall& call) {
  Run(backend, call, MakeConvolution);
}
void LinearInt8(CpuBackend& backend, OpCall& call) {
  Run(backend, call, MakeLinear);
}

}  // namespace alexnet::cpu
