// Conversions between float32 and bfloat16, and buffers of either.
// Invariant: see floats.h.
#include "cpu/floats.h"

namespace alexnet::cpu {

namespace {

ALEXNET_INLINE void WidenRange(const BFloat16* from, float* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = Load(from + i);
}

ALEXNET_INLINE void NarrowRange(const float* from, BFloat16* to, int64_t count) {
  for (int64_t i = 0; i < count; ++i) Store(from[i], to + i);
}

}  // namespace

void Widen(const BFloat16* from, float* to, int64_t count) {
  EveryIsa<WidenRange>(from, to, count);
}

void Narrow(const float* from, BFloat16* to, int64_t count) {
  EveryIsa<NarrowRange>(from, to, count);
}

FloatBuffer::FloatBuffer(const Buffer& buffer) {
  switch (buffer.layout.get_data_type()) {
    case dnnl::memory::data_type::f32:
      floats_ = buffer.floats();
      return;
    case dnnl::memory::data_type::bf16:
      narrow_ = static_cast<BFloat16*>(buffer.data());
      return;
    default:
      throw Error(ErrorCode::kUnsupported, "the kernel computes on float32 and bfloat16 only");
  }
}

}  // namespace alexnet::cpu
