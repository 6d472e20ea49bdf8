// Convolution, forward with bias and ReLU fused, gradients of data and of weights: on oneDNN, or Winograd's.
// Invariant: oneDNN picks every layout; weights, their gradients and bias are float32 whatever the
// activations are; grouped weights [O, I/G, KH, KW] are described as [G, O/G, I/G, KH, KW].
#include <optional>

#include "core/every_isa.h"
#include "cpu/kernels.h"
#include "cpu/winograd/winograd.h"

namespace alexnet::cpu {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

constexpr auto kFloat = memory::data_type::f32;

struct Geometry {
  memory::dims strides, padding_low, padding_high;
  int64_t groups;

  explicit Geometry(const OpCall& call)
      : strides{call.Integer("strideH"), call.Integer("strideW")},
        padding_low{call.Integer("padTop"), call.Integer("padLeft")},
        padding_high{call.Integer("padBottom"), call.Integer("padRight")},
        groups(call.Integer("groups")) {}

  ConvolutionShape ShapeOf(const Shape& x, const Shape& w, const Shape& y) const {
    return {x[0], groups, x[1] / groups, y[1] / groups, x[2],       x[3],           y[2],
            y[3], w[2],   w[3],          strides[0],    strides[1], padding_low[0], padding_low[1]};
  }

  memory::dims WeightDims(const Shape& w) const {
    if (groups == 1) return w;
    return {groups, w[0] / groups, w[1], w[2], w[3]};
  }
};

dnnl::convolution_forward::primitive_desc ForwardDescriptor(CpuBackend& backend, const Geometry& geometry,
                                                            const Shape& x, const Shape& w, const Shape& y,
                                                            memory::data_type type, bool bias, bool relu) {
  const memory::desc source = AnyLayout(x, type);
  const memory::desc weights = AnyLayout(geometry.WeightDims(w), type);
  const memory::desc target = AnyLayout(y, type);
  if (!bias) {
    return {backend.engine(),
            prop_kind::forward_training,
            algorithm::convolution_direct,
            source,
            weights,
            target,
            geometry.strides,
            geometry.padding_low,
            geometry.padding_high,
            PrimitiveAttributes(relu)};
  }
  return {backend.engine(),
          prop_kind::forward_training,
          algorithm::convolution_direct,
          source,
          weights,
          PlainLayout(memory::dims{y[1]}, kFloat),
          target,
          geometry.strides,
          geometry.padding_low,
          geometry.padding_high,
          PrimitiveAttributes(relu)};
}

/** Winograd's convolution if it is allowed and faster. */
std::optional<Plan> WinogradPlan(const CpuBackend& backend, std::shared_ptr<const Winograd> winograd) {
  if (!winograd || !backend.options().winograd) return std::nullopt;
  Plan plan;
  plan.implementation = std::string("winograd:") + ToString(BestVectorIsa());
  plan.winograd = std::move(winograd);
  return plan;
}

Plan MakeForward(CpuBackend& backend, const OpCall& call) {
  const ConvolutionShape shape =
      Geometry(call).ShapeOf(call.inputs[0]->shape, call.inputs[1]->shape, call.outputs[0]->shape);
  if (auto plan = WinogradPlan(backend, Winograd::For(shape, TypeOf(call.inputs[0]->dtype))))
    return *std::move(plan);
  const auto descriptor = ForwardDescriptor(
      backend, Geometry(call), call.inputs[0]->shape, call.inputs[1]->shape, call.outputs[0]->shape,
      TypeOf(call.inputs[0]->dtype), call.inputs[2] != nullptr, call.Flag("relu"));
  return PlanOf<dnnl::convolution_forward>(descriptor, {DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST});
}

Plan MakeBackwardData(CpuBackend& backend, const OpCall& call) {
  const Geometry geometry(call);
  const Shape &w = call.inputs[0]->shape, &dy = call.inputs[1]->shape, &dx = call.outputs[0]->shape;
  const memory::data_type type = TypeOf(call.inputs[1]->dtype);
  const ConvolutionShape shape = geometry.ShapeOf(dx, w, dy);
  if (auto plan = WinogradPlan(backend, Winograd::ForDataGradient(shape, type))) return *std::move(plan);
  const auto hint = ForwardDescriptor(backend, geometry, dx, w, dy, type, false, false);
  const dnnl::convolution_backward_data::primitive_desc descriptor(
      backend.engine(), algorithm::convolution_direct, AnyLayout(dx, type),
      AnyLayout(geometry.WeightDims(w), type), AnyLayout(dy, type), geometry.strides, geometry.padding_low,
      geometry.padding_high, hint, PrimitiveAttributes());
  return PlanOf<dnnl::convolution_backward_data>(descriptor,
                                                 {DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC});
}

dnnl::convolution_backward_weights::primitive_desc BackwardWeightsDescriptor(CpuBackend& backend,
                                                                             const OpCall& call) {
  const Geometry geometry(call);
  const Shape &x = call.inputs[0]->shape, &dy = call.inputs[1]->shape, &dw = call.outputs[0]->shape;
  const memory::data_type type = TypeOf(call.inputs[0]->dtype);
  const auto hint = ForwardDescriptor(backend, geometry, x, dw, dy, type, call.outputs[1] != nullptr, false);
  const memory::desc source = AnyLayout(x, type), target = AnyLayout(dy, type);
  const memory::desc weights = AnyLayout(geometry.WeightDims(dw), kFloat);
  if (!call.outputs[1]) {
    return {backend.engine(),
            algorithm::convolution_direct,
            source,
            weights,
            target,
            geometry.strides,
            geometry.padding_low,
            geometry.padding_high,
            hint,
            PrimitiveAttributes()};
  }
  return {backend.engine(),
          algorithm::convolution_direct,
          source,
          weights,
          PlainLayout(memory::dims{dy[1]}, kFloat),
          target,
          geometry.strides,
          geometry.padding_low,
          geometry.padding_high,
          hint,
          PrimitiveAttributes()};
}

Plan MakeBackwardWeights(CpuBackend& backend, const OpCall& call) {
  const ConvolutionShape shape =
      Geometry(call).ShapeOf(call.inputs[0]->shape, call.outputs[0]->shape, call.inputs[1]->shape);
  if (auto plan = WinogradPlan(backend, Winograd::For(shape, TypeOf(call.inputs[0]->dtype))))
    return *std::move(plan);
  const auto descriptor = BackwardWeightsDescriptor(backend, call);
  return PlanOf<dnnl::convolution_backward_weights>(descriptor,
                                                    {DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS});
}

}  // namespace

void Conv2dForward(CpuBackend& backend, OpCall& call) {
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] { return MakeForward(backend, call); });
  if (plan->winograd) {
    return plan->winograd->Forward(backend, *call.inputs[0], *call.inputs[1], call.inputs[2].get(),
                                   call.Flag("relu"), *call.outputs[0]);
  }
  std::unordered_map<int, Buffer> arguments = {
      {DNNL_ARG_SRC, In(backend, *call.inputs[0], plan->layout(DNNL_ARG_SRC))},
      {DNNL_ARG_WEIGHTS, Weights(backend, *call.inputs[1], plan->layout(DNNL_ARG_WEIGHTS))},
      {DNNL_ARG_DST, backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DST))}};
  if (call.inputs[2]) arguments.emplace(DNNL_ARG_BIAS, Plain(backend, *call.inputs[2]));
  backend.Execute(*plan, arguments);
}

void Conv2dBackwardData(CpuBackend& backend, OpCall& call) {
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] { return MakeBackwardData(backend, call); });
  if (plan->winograd) {
    return plan->winograd->DataGradient(backend, *call.inputs[1], *call.inputs[0], *call.outputs[0]);
  }
  backend.Execute(*plan,
                  {{DNNL_ARG_WEIGHTS, Weights(backend, *call.inputs[0], plan->layout(DNNL_ARG_WEIGHTS))},
                   {DNNL_ARG_DIFF_DST, In(backend, *call.inputs[1], plan->layout(DNNL_ARG_DIFF_DST))},
                   {DNNL_ARG_DIFF_SRC, backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DIFF_SRC))}});
}

void Conv2dBackwardWeights(CpuBackend& backend, OpCall& call) {
  const auto plan =
      backend.plans().Get(call, PlanKey(call), [&] { return MakeBackwardWeights(backend, call); });
  if (plan->winograd) {
    return plan->winograd->WeightGradient(backend, *call.inputs[0], *call.inputs[1], *call.outputs[0],
                                          call.outputs[1].get());
  }
  std::unordered_map<int, Buffer> arguments = {
      {DNNL_ARG_SRC, In(backend, *call.inputs[0], plan->layout(DNNL_ARG_SRC))},
      {DNNL_ARG_DIFF_DST, In(backend, *call.inputs[1], plan->layout(DNNL_ARG_DIFF_DST))},
      {DNNL_ARG_DIFF_WEIGHTS, backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DIFF_WEIGHTS))}};
  if (call.outputs[1]) arguments.emplace(DNNL_ARG_DIFF_BIAS, backend.CreatePlain(*call.outputs[1]));
  backend.Execute(*plan, arguments);
}

}  // namespace alexnet::cpu
