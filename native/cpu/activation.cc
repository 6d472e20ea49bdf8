// ReLU, tanh and sigmoid on oneDNN, each differentiated from its output.
// Invariant: the output has the input's layout.
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

using dnnl::algorithm;

dnnl::eltwise_forward::primitive_desc ForwardDescriptor(CpuBackend& backend, algorithm function,
                                                        const dnnl::memory::desc& layout) {
  return {backend.engine(),     dnnl::prop_kind::forward_training, function, layout, layout, 0.f, 0.f,
          PrimitiveAttributes()};
}

void Forward(CpuBackend& backend, OpCall& call, algorithm function) {
  const Buffer x = Logical(backend, *call.inputs[0]);
  const auto plan = backend.plans().Get(call, PlanKey(call).Add(x.layout), [&]() -> Plan {
    const auto descriptor = ForwardDescriptor(backend, function, x.layout);
    return PlanOf<dnnl::eltwise_forward>(descriptor, {});
  });
  backend.Execute(*plan, {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, backend.Create(*call.outputs[0], x.layout)}});
}

void Backward(CpuBackend& backend, OpCall& call, algorithm function) {
  const Buffer y = Logical(backend, *call.inputs[0]);
  const auto plan = backend.plans().Get(call, PlanKey(call).Add(y.layout), [&]() -> Plan {
    const dnnl::eltwise_backward::primitive_desc descriptor(
        backend.engine(), function, y.layout, y.layout, y.layout, 0.f, 0.f,
        ForwardDescriptor(backend, function, y.layout), PrimitiveAttributes());
    return PlanOf<dnnl::eltwise_backward>(descriptor, {});
  });
  backend.Execute(*plan, {{DNNL_ARG_DST, y},
                          {DNNL_ARG_DIFF_DST, In(backend, *call.inputs[1], y.layout)},
                          {DNNL_ARG_DIFF_SRC, backend.Create(*call.outputs[0], y.layout)}});
}

}  // namespace

void ReluForward(CpuBackend& backend, OpCall& call) {
  Forward(backend, call, algorithm::eltwise_relu_use_dst_for_bwd);
}
void ReluBackward(CpuBackend& backend, OpCall& call) {
  Backward(backend, call, algorithm::eltwise_relu_use_dst_for_bwd);
}
void TanhForward(CpuBackend& backend, OpCall& call) {
  Forward(backend, call, algorithm::eltwise_tanh_use_dst_for_bwd);
}
void TanhBackward(CpuBackend& backend, OpCall& call) {
  Backward(backend, call, algorithm::eltwise_tanh_use_dst_for_bwd);
}
void SigmoidForward(CpuBackend& backend, OpCall& call) {
  Forward(backend, call, algorithm::eltwise_logistic_use_dst_for_bwd);
}
void SigmoidBackward(CpuBackend& backend, OpCall& call) {
  Backward(backend, call, algorithm::eltwise_logistic_use_dst_for_bwd);
}

}  // namespace alexnet::cpu
