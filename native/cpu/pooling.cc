// Max and average pooling on oneDNN. Ceil mode arrives as larger padding at the bottom and right.
// Invariant: padding never wins a maximum; gradients flow in the layout that the forward op used.
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

using dnnl::algorithm;
using dnnl::memory;
using dnnl::prop_kind;

struct Geometry {
  memory::dims strides, kernel, dilation{0, 0}, padding_low, padding_high;

  explicit Geometry(const OpCall& call)
      : strides{call.Integer("strideH"), call.Integer("strideW")},
        kernel{call.Integer("kernelH"), call.Integer("kernelW")},
        padding_low{call.Integer("padTop"), call.Integer("padLeft")},
        padding_high{call.Integer("padBottom"), call.Integer("padRight")} {}
};

/** What max pooling's forward op leaves for its backward op: where each maximum was, and in which layouts. */
struct ArgmaxStorage final : Storage {
  memory::desc source, target;
  Buffer workspace;
  std::vector<double> attributes;
};

dnnl::pooling_forward::primitive_desc ForwardDescriptor(CpuBackend& backend, const OpCall& call,
                                                        algorithm function, prop_kind kind,
                                                        const memory::desc& source,
                                                        const memory::desc& target) {
  const Geometry geometry(call);
  return {backend.engine(),
          kind,
          function,
          source,
          target,
          geometry.strides,
          geometry.kernel,
          geometry.dilation,
          geometry.padding_low,
          geometry.padding_high,
          PrimitiveAttributes()};
}

std::shared_ptr<const Plan> ForwardPlan(CpuBackend& backend, const OpCall& call, algorithm function,
                                        prop_kind kind, const memory::desc& source) {
  return backend.plans().Get(call, PlanKey(call).Add(source), [&]() -> Plan {
    const memory::desc any = AnyLayout(call.outputs[0]->shape, source.get_data_type());
    const auto descriptor = ForwardDescriptor(backend, call, function, kind, source, any);
    return {dnnl::pooling_forward(descriptor),
            {{DNNL_ARG_DST, descriptor.dst_desc()}, {DNNL_ARG_WORKSPACE, descriptor.workspace_desc()}},
            descriptor.scratchpad_desc(),
            descriptor.impl_info_str()};
  });
}

std::shared_ptr<const Plan> BackwardPlan(CpuBackend& backend, const OpCall& call, algorithm function,
                                         const memory::desc& source, const memory::desc& target) {
  return backend.plans().Get(call, PlanKey(call).Add(source).Add(target), [&]() -> Plan {
    const Geometry geometry(call);
    const auto hint = ForwardDescriptor(backend, call, function, prop_kind::forward_training, source, target);
    const dnnl::pooling_backward::primitive_desc descriptor(
        backend.engine(), function, source, target, geometry.strides, geometry.kernel, geometry.dilation,
        geometry.padding_low, geometry.padding_high, hint, PrimitiveAttributes());
    return {dnnl::pooling_backward(descriptor), {}, descriptor.scratchpad_desc(), descriptor.impl_info_str()};
  });
}

algorithm Average(const OpCall& call) {
  return call.Flag("clipped") ? algorithm::pooling_avg_exclude_padding
                              : algorithm::pooling_avg_include_padding;
}

/** The order of `layout`, for another shape; row-major where it has no name. */
memory::desc LayoutLike(const memory::desc& layout, const Shape& shape) {
  using tag = memory::format_tag;
  for (const tag order : {tag::nChw16c, tag::nChw8c, tag::nhwc}) {
    if (layout == memory::desc(layout.get_dims(), layout.get_data_type(), order)) {
      return {shape, layout.get_data_type(), order};
    }
  }
  return PlainLayout(shape, layout.get_data_type());
}

}  // namespace

void MaxPool2dForward(CpuBackend& backend, OpCall& call) {
  const Buffer x = Logical(backend, *call.inputs[0]);
  const bool training = call.outputs[1] != nullptr;
  const auto plan =
      ForwardPlan(backend, call, algorithm::pooling_max,
                  training ? prop_kind::forward_training : prop_kind::forward_inference, x.layout);
  const Buffer& y = backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DST));
  std::unordered_map<int, Buffer> arguments = {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}};
  if (training) {
    auto argmax = std::make_shared<ArgmaxStorage>();
    argmax->source = x.layout;
    argmax->target = y.layout;
    argmax->workspace = backend.Allocate(plan->layout(DNNL_ARG_WORKSPACE));
    argmax->attributes = call.attributes;
    arguments.emplace(DNNL_ARG_WORKSPACE, argmax->workspace);
    call.outputs[1]->storage = argmax;
  }
  backend.Execute(*plan, arguments);
}

void MaxPool2dBackward(CpuBackend& backend, OpCall& call) {
  const auto* argmax = dynamic_cast<const ArgmaxStorage*>(call.inputs[0]->storage.get());
  Check(argmax != nullptr, "the saved state is not that of a max pooling");
  const bool fits = argmax->attributes == call.attributes &&
                    argmax->source.get_dims() == call.outputs[0]->shape &&
                    argmax->target.get_dims() == call.inputs[1]->shape;
  Check(fits, "the saved state is that of another max pooling: another input shape, or other options");
  const auto plan = BackwardPlan(backend, call, algorithm::pooling_max, argmax->source, argmax->target);
  backend.Execute(*plan, {{DNNL_ARG_WORKSPACE, argmax->workspace},
                          {DNNL_ARG_DIFF_DST, In(backend, *call.inputs[1], argmax->target)},
                          {DNNL_ARG_DIFF_SRC, backend.Create(*call.outputs[0], argmax->source)}});
}

void AvgPool2dForward(CpuBackend& backend, OpCall& call) {
  const Buffer x = Logical(backend, *call.inputs[0]);
  const auto plan = ForwardPlan(backend, call, Average(call), prop_kind::forward_training, x.layout);
  backend.Execute(*plan, {{DNNL_ARG_SRC, x},
                          {DNNL_ARG_DST, backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DST))}});
}

void AvgPool2dBackward(CpuBackend& backend, OpCall& call) {
  const memory::desc target = LayoutLike(Logical(backend, *call.inputs[0]).layout, call.inputs[0]->shape);
  const memory::desc source = LayoutLike(target, call.outputs[0]->shape);
  const auto plan = BackwardPlan(backend, call, Average(call), source, target);
  backend.Execute(*plan, {{DNNL_ARG_DIFF_DST, In(backend, *call.inputs[0], target)},
                          {DNNL_ARG_DIFF_SRC, backend.Create(*call.outputs[0], source)}});
}

}  // namespace alexnet::cpu
