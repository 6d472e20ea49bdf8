// Which layouts own kernels know, and where elements lie in them.
// Invariant: see pixels.h.
#include "cpu/pixels.h"

#include "core/every_isa.h"

namespace alexnet::cpu {
namespace {

using dnnl::memory;
using tag = memory::format_tag;

bool Is(const memory::desc& layout, tag order) {
  return layout == memory::desc(layout.get_dims(), layout.get_data_type(), order);
}

}  // namespace

std::vector<int64_t> Pixels::Vectors() const {
  std::vector<int64_t> offsets;
  for (int64_t channel = 0; channel < channels; channel += VectorLanes()) offsets.push_back(Channel(channel));
  return offsets;
}

bool Pixels::ComeInVectors() const {
  return channels % VectorLanes() == 0 && block % VectorLanes() == 0;
}

int64_t ChannelBlock(const memory::desc& layout) {
  const memory::dims dims = layout.get_dims();
  if (dims.size() != 4 || IsPadded(layout)) return 0;
  if (Is(layout, tag::nChw16c)) return 16;
  if (Is(layout, tag::nChw8c)) return 8;
  if (Is(layout, tag::nhwc)) return dims[1];
  return Is(layout, tag::nchw) ? 1 : 0;
}

Pixels PixelsOf(const memory::desc& layout) {
  const memory::dims dims = layout.get_dims();
  const int64_t block = ChannelBlock(layout);
  Check(block != 0, "a kernel was given a layout that it does not know");
  return {dims[0], dims[1], dims[2], dims[3], block};
}

memory::desc InOrderOf(const memory::desc& layout, const Shape& shape, memory::data_type type) {
  for (const tag order : {tag::nChw16c, tag::nChw8c, tag::nhwc}) {
    if (Is(layout, order)) return {shape, type, order};
  }
  return PlainLayout(shape, type);
}

Buffer InVectors(CpuBackend& backend, const Tensor& tensor) {
  const Buffer buffer = Logical(backend, tensor);
  const bool mended = ChannelBlock(buffer.layout) == 1 && tensor.shape[1] % VectorLanes() == 0;
  return mended ? In(backend, tensor, {tensor.shape, TypeOf(tensor.dtype), tag::nhwc}) : buffer;
}

void NotePlan(CpuBackend& backend, const OpCall& call, const memory::desc& layout, bool by_rows) {
  backend.plans().Get(call, PlanKey(call).Add(layout), [=]() -> Plan {
    return {{}, {}, {}, by_rows ? Message("rows:", ToString(BestVectorIsa())) : "simple:any"};
  });
}

}  // namespace alexnet::cpu
