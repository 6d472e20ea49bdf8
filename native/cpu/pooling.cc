// Max and average pooling. Ceil mode arrives as larger padding at the bottom and right.
// Invariant: padding never wins a maximum. Maxima of channels that come in whole vectors go by rows
// (max_pool_rows.h); all else is oneDNN's.
#include "cpu/pooling.h"

#include "cpu/kernels.h"
#include "cpu/parallel.h"

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
    return PlanOf<dnnl::pooling_forward>(descriptor, {DNNL_ARG_DST, DNNL_ARG_WORKSPACE});
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
    return PlanOf<dnnl::pooling_backward>(descriptor, {});
  });
}

algorithm Average(const OpCall& call) {
  return call.Flag("clipped") ? algorithm::pooling_avg_exclude_padding
                              : algorithm::pooling_avg_include_padding;
}

/** The order of `layout`, for another shape; row-major where it has no name. */
memory::desc LayoutLike(const memory::desc& layout, const Shape& shape) {
  return InOrderOf(layout, shape, layout.get_data_type());
}

template <typename T>
void ForwardByRows(CpuBackend& backend, OpCall& call, const MaxPool& pool, const Buffer& x) {
  const memory::desc target = LayoutLike(x.layout, call.outputs[0]->shape);
  const Pixels from = PixelsOf(x.layout), to = PixelsOf(target);
  const std::vector<int64_t> sources = from.Vectors(), targets = to.Vectors();
  const T* const in = static_cast<const T*>(x.data());
  T* const out = static_cast<T*>(backend.Create(*call.outputs[0], target).data());
  uint8_t* winners = nullptr;
  if (call.outputs[1]) {
    const auto argmax = CreateArgmax(backend, call, x.layout, target);
    winners = static_cast<uint8_t*>(argmax->winners.data());
    call.outputs[1]->storage = argmax;
  }
  ParallelFor(to.images * to.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<Row<const T>> rows;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / to.height, y = i % to.height, offset = to.Offset(image, y);
      const int64_t top = pool.rows.First(y);
      rows.clear();
      for (int64_t row = top; row < pool.rows.End(y); ++row) {
        rows.push_back({in + from.Offset(image, row), from.pixel(), sources.data()});
      }
      MaxPoolRowForward(pool, rows.data(), pool.rows.Place(y, top), static_cast<int64_t>(rows.size()),
                        Row<T>{out + offset, to.pixel(), targets.data()},
                        Row<uint8_t>{winners == nullptr ? nullptr : winners + offset, to.pixel(), nullptr});
    }
  });
}

template <typename T>
void BackwardByRows(CpuBackend& backend, OpCall& call, const ArgmaxStorage& argmax) {
  const Buffer dy = In(backend, *call.inputs[1], argmax.target);
  const Pixels from = PixelsOf(argmax.target), to = PixelsOf(argmax.source);
  const MaxPool pool = MaxPoolOf(call, call.outputs[0]->shape, call.inputs[1]->shape);
  const std::vector<int64_t> sources = from.Vectors(), targets = to.Vectors();
  const T* const in = static_cast<const T*>(dy.data());
  const auto* const winners = static_cast<const uint8_t*>(argmax.winners.data());
  T* const out = static_cast<T*>(backend.Create(*call.outputs[0], argmax.source).data());
  ParallelFor(to.images * to.height, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / to.height, row = i % to.height, offset = from.Offset(image, 0);
      MaxPoolRowBackward(pool, row, Row<const T>{in + offset, from.pixel(), sources.data()},
                         Row<const uint8_t>{winners + offset, from.pixel(), sources.data()}, from.row(),
                         Row<T>{out + to.Offset(image, row), to.pixel(), targets.data()});
    }
  });
}

bool IsFloat(const memory::desc& layout) {
  const memory::data_type type = layout.get_data_type();
  return type == memory::data_type::f32 || type == memory::data_type::bf16;
}
bool IsFloat32(const memory::desc& layout) {
  return layout.get_data_type() == memory::data_type::f32;
}

}  // namespace

MaxPool MaxPoolOf(const OpCall& call, const Shape& x, const Shape& y) {
  return {{x[2], y[2], call.Integer("kernelH"), call.Integer("strideH"), call.Integer("padTop")},
          {x[3], y[3], call.Integer("kernelW"), call.Integer("strideW"), call.Integer("padLeft")},
          x[1] / VectorLanes()};
}

std::shared_ptr<ArgmaxStorage> CreateArgmax(CpuBackend& backend, const OpCall& call,
                                            const memory::desc& source, const memory::desc& target) {
  auto argmax = std::make_shared<ArgmaxStorage>();
  argmax->source = source;
  argmax->target = target;
  argmax->winners = backend.Allocate(InOrderOf(target, target.get_dims(), memory::data_type::u8));
  argmax->by_rows = true;
  argmax->attributes = call.attributes;
  return argmax;
}

const ArgmaxStorage& ArgmaxOf(const Tensor& argmax, const std::vector<double>& attributes, const Shape& x,
                              const Shape& y) {
  const auto* const found = dynamic_cast<const ArgmaxStorage*>(argmax.storage.get());
  Check(found != nullptr, "the saved state is not that of a max pooling");
  const bool fits =
      found->attributes == attributes && found->source.get_dims() == x && found->target.get_dims() == y;
  Check(fits, "the saved state is that of another max pooling: another input shape, or other options");
  return *found;
}

void MaxPool2dForward(CpuBackend& backend, OpCall& call) {
  const Buffer x = InVectors(backend, *call.inputs[0]);
  const bool training = call.outputs[1] != nullptr;
  const MaxPool pool = MaxPoolOf(call, call.inputs[0]->shape, call.outputs[0]->shape);
  if (IsFloat(x.layout) && ChannelBlock(x.layout) != 0 && PixelsOf(x.layout).ComeInVectors() &&
      pool.FitsBytes()) {
    NotePlan(backend, call, x.layout, true);
    return (IsFloat32(x.layout) ? ForwardByRows<float> : ForwardByRows<BFloat16>)(backend, call, pool, x);
  }
  const auto plan =
      ForwardPlan(backend, call, algorithm::pooling_max,
                  training ? prop_kind::forward_training : prop_kind::forward_inference, x.layout);
  const Buffer& y = backend.Create(*call.outputs[0], plan->layout(DNNL_ARG_DST));
  std::unordered_map<int, Buffer> arguments = {{DNNL_ARG_SRC, x}, {DNNL_ARG_DST, y}};
  if (training) {
    auto argmax = std::make_shared<ArgmaxStorage>();
    argmax->source = x.layout;
    argmax->target = y.layout;
    argmax->winners = backend.Allocate(plan->layout(DNNL_ARG_WORKSPACE));
    argmax->attributes = call.attributes;
    arguments.emplace(DNNL_ARG_WORKSPACE, argmax->winners);
    call.outputs[1]->storage = argmax;
  }
  backend.Execute(*plan, arguments);
}

void MaxPool2dBackward(CpuBackend& backend, OpCall& call) {
  const ArgmaxStorage& argmax =
      ArgmaxOf(*call.inputs[0], call.attributes, call.outputs[0]->shape, call.inputs[1]->shape);
  if (argmax.by_rows) {
    NotePlan(backend, call, argmax.source, true);
    return (IsFloat32(argmax.source) ? BackwardByRows<float> : BackwardByRows<BFloat16>)(backend, call,
                                                                                         argmax);
  }
  const auto plan = BackwardPlan(backend, call, algorithm::pooling_max, argmax.source, argmax.target);
  backend.Execute(*plan, {{DNNL_ARG_WORKSPACE, argmax.winners},
                          {DNNL_ARG_DIFF_DST, In(backend, *call.inputs[1], argmax.target)},
                          {DNNL_ARG_DIFF_SRC, backend.Create(*call.outputs[0], argmax.source)}});
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
