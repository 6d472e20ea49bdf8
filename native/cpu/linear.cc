// Fully connected layers on oneDNN's inner product: x [N, I], w [O, I], y [N, O].
// Invariant: activations are row-major; oneDNN packs the weights, the same way forward and backward where it can, and
// their gradient lies so that an update need not rearrange it; both and the bias are float32 whatever the activations are.
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

using dnnl::memory;
using dnnl::prop_kind;

constexpr auto kFloat = memory::data_type::f32;

memory::desc Rows(const Tensor& tensor) {
  return PlainLayout(tensor.shape, TypeOf(tensor.dtype));
}
memory::desc Bias(const Tensor& w) {
  return PlainLayout(memory::dims{w.shape[0]}, kFloat);
}

bool IsPlain(const memory::desc& layout) {
  return layout.get_inner_nblks() == 0;
}

dnnl::inner_product_forward::primitive_desc ForwardDescriptor(CpuBackend& backend, const Tensor& x,
                                                              const Tensor& w, const Tensor& y, bool bias,
                                                              bool relu) {
  const memory::desc weights = AnyLayout(w.shape, TypeOf(x.dtype));
  const auto kind = prop_kind::forward_training;
  if (!bias) return {backend.engine(), kind, Rows(x), weights, Rows(y), PrimitiveAttributes(relu)};
  return {backend.engine(), kind, Rows(x), weights, Bias(w), Rows(y), PrimitiveAttributes(relu)};
}

Plan MakeForward(CpuBackend& backend, const OpCall& call) {
  const auto descriptor = ForwardDescriptor(backend, *call.inputs[0], *call.inputs[1], *call.outputs[0],
                                            call.inputs[2] != nullptr, call.Flag("relu"));
  return PlanOf<dnnl::inner_product_forward>(descriptor, {DNNL_ARG_WEIGHTS});
}

Plan MakeBackwardData(CpuBackend& backend, const OpCall& call) {
  const Tensor &w = *call.inputs[0], &dy = *call.inputs[1], &dx = *call.outputs[0];
  const auto hint = ForwardDescriptor(backend, dx, w, dy, false, false);
  const memory::desc forward = hint.weights_desc();
  // Where it makes no difference to the product, it makes one whether there is a second copy of the weights.
  const memory::desc weights = IsPlain(forward) ? forward : AnyLayout(w.shape, TypeOf(dy.dtype));
  const dnnl::inner_product_backward_data::primitive_desc descriptor(backend.engine(), Rows(dx), weights,
                                                                     Rows(dy), hint, PrimitiveAttributes());
  return PlanOf<dnnl::inner_product_backward_data>(descriptor, {DNNL_ARG_WEIGHTS});
}

Plan MakeBackwardWeights(CpuBackend& backend, const OpCall& call, const memory::desc& weights) {
  const Tensor &x = *call.inputs[0], &dy = *call.inputs[1], &dw = *call.outputs[0];
  const bool bias = call.outputs[1] != nullptr;
  const auto hint = ForwardDescriptor(backend, x, dw, dy, bias, false);
  const auto descriptor =
      bias ? dnnl::inner_product_backward_weights::primitive_desc(
                 backend.engine(), Rows(x), weights, Bias(dw), Rows(dy), hint, PrimitiveAttributes())
           : dnnl::inner_product_backward_weights::primitive_desc(backend.engine(), Rows(x), weights,
                                                                  Rows(dy), hint, PrimitiveAttributes());
  return PlanOf<dnnl::inner_product_backward_weights>(descriptor, {DNNL_ARG_DIFF_WEIGHTS});
}

/** With a gradient that lies as the weights do, or in rows of outputs, as sgd.cc goes through weights in panels. */
Plan MakeBackwardWeights(CpuBackend& backend, const OpCall& call) {
  const Tensor &x = *call.inputs[0], &dy = *call.inputs[1], &dw = *call.outputs[0];
  const memory::desc forward = ForwardDescriptor(backend, x, dw, dy, false, false).weights_desc();
  if (IsPlain(forward)) {
    return MakeBackwardWeights(backend, call, memory::desc(dw.shape, kFloat, forward.get_strides()));
  }
  const memory::desc rows(dw.shape, kFloat, memory::format_tag::ba);
  // In bfloat16 the product that writes rows is the faster one, unless there are tiles to multiply.
  if (x.dtype == DType::kBFloat16 && !HasInstructions(dnnl::cpu_isa::avx512_core_amx)) {
    return MakeBackwardWeights(backend, call, rows);
  }
  const Plan chosen = MakeBackwardWeights(backend, call, AnyLayout(dw.shape, kFloat));
  return IsPlain(chosen.layout(DNNL_ARG_DIFF_WEIGHTS)) ? MakeBackwardWeights(backend, call, rows) : chosen;
}

}  // namespace

void LinearForward(CpuBackend& backend, OpCall& call) {
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] { return MakeForward(backend, call); });
  std::unordered_map<int, Buffer> arguments = {
      {DNNL_ARG_SRC, Plain(backend, *call.inputs[0])},
      {DNNL_ARG_WEIGHTS, Weights(backend, *call.inputs[1], plan->layout(DNNL_ARG_WEIGHTS))},
      {DNNL_ARG_DST, backend.CreatePlain(*call.outputs[0])}};
  if (call.inputs[2]) arguments.emplace(DNNL_ARG_BIAS, Plain(backend, *call.inputs[2]));
  backend.Execute(*plan, arguments);
}

void LinearBackwardData(CpuBackend& backend, OpCall& call) {
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] { return MakeBackwardData(backend, call); });
  backend.Execute(*plan,
                  {{DNNL_ARG_WEIGHTS, Weights(backend, *call.inputs[0], plan->layout(DNNL_ARG_WEIGHTS))},
                   {DNNL_ARG_DIFF_DST, Plain(backend, *call.inputs[1])},
                   {DNNL_ARG_DIFF_SRC, backend.CreatePlain(*call.outputs[0])}});
}

void LinearBackwardWeights(CpuBackend& backend, OpCall& call) {
  const auto plan =
      backend.plans().Get(call, PlanKey(call), [&] { return MakeBackwardWeights(backend, call); });
  std::unordered_map<int, Buffer> arguments = {
      {DNNL_ARG_SRC, Plain(backend, *call.inputs[0])},
      {DNNL_ARG_DIFF_DST, Plain(backend, *call.inputs[1])},
      {DNNL_ARG_DIFF_WEIGHTS, backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DIFF_WEIGHTS))}};
  if (call.outputs[1]) arguments.emplace(DNNL_ARG_DIFF_BIAS, backend.CreatePlain(*call.outputs[1]));
  backend.Execute(*plan, arguments);
}

}  // namespace alexnet::cpu
