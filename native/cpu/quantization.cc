// Between float32 and integers of 8 bits, of which each stands for itself times a scale.
// Invariant: rounds to nearest even and saturates, int8 at -127 and 127; NaN becomes 0.
#include <algorithm>
#include <limits>
#include <type_traits>

#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

constexpr int64_t kGrain = 1 << 15;
constexpr float kLargest = 127.f;

/** Some of the elements, multiplied by a factor on the way. */
template <typename From, typename To>
struct Scaling {
  const From* x;
  To* y;
  float factor;
  int64_t begin, end;
};

ALEXNET_INLINE void StoreInteger(float value, uint8_t* to) {
  Store(value, to);
}
ALEXNET_INLINE void StoreInteger(float value, int8_t* to) {
  *to = static_cast<int8_t>(RoundWithin(value, -kLargest, kLargest));
}

// Local copies: a byte that is written may be any object, so the compiler would read `part` again each time.
template <typename T>
ALEXNET_INLINE void ToIntegers(const Scaling<float, T>& part) {
  const float* __restrict__ const x = part.x;
  T* __restrict__ const y = part.y;
  const float factor = part.factor;
  const int64_t end = part.end;
  for (int64_t i = part.begin; i < end; ++i) StoreInteger(x[i] * factor, y + i);
}
template <typename T>
ALEXNET_INLINE void ToFloats(const Scaling<T, float>& part) {
  const T* __restrict__ const x = part.x;
  float* __restrict__ const y = part.y;
  const float factor = part.factor;
  const int64_t end = part.end;
  for (int64_t i = part.begin; i < end; ++i) y[i] = static_cast<float>(x[i]) * factor;
}

template <typename From, typename To>
ALEXNET_INLINE void Scale(Scaling<From, To> part) {
  if constexpr (std::is_same_v<From, float>) {
    ToIntegers(part);
  } else {
    ToFloats(part);
  }
}

template <typename From, typename To>
void ScaleAll(CpuBackend& backend, OpCall& call, float factor) {
  const Tensor& x = *call.inputs[0];
  Tensor& y = *call.outputs[0];
  const dnnl::memory::desc order = SameOrder(AsIs(x).layout, y);
  const Buffer from = order == PlainLayout(y) ? Plain(backend, x) : AsIs(x);
  const Buffer& to = backend.Create(y, order);
  ParallelFor(y.elements(), kGrain, [&](int64_t begin, int64_t end) {
    EveryIsa<Scale<From, To>>(Scaling<From, To>{static_cast<const From*>(from.data()),
                                                static_cast<To*>(to.data()), factor, begin, end});
  });
}

/** Pictures that lie channel by channel, to be written pixel by pixel. */
template <typename T>
struct Pictures {
  const float* x;
  T* y;
  float factor;
  int64_t pixels;
};

constexpr int64_t kColours = 3, kChunk = 1024;

/** Pixels [begin, end) of all pictures together; a chunk at a time, so that what is interleaved is in cache.
 */
template <typename T>
ALEXNET_INLINE void Interleave(Pictures<T> pictures, int64_t begin, int64_t end) {
  T planes[kColours][kChunk];
  const int64_t pixels = pictures.pixels;
  for (int64_t p = begin, count = 0; p < end; p += count) {
    const int64_t picture = p / pixels, pixel = p % pixels;
    count = std::min({kChunk, end - p, pixels - pixel});
    const float* const x = pictures.x + picture * kColours * pixels + pixel;
    for (int64_t c = 0; c < kColours; ++c) {
      ToIntegers(Scaling<float, T>{x + c * pixels, planes[c], pictures.factor, 0, count});
    }
    T* const y = pictures.y + p * kColours;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t c = 0; c < kColours; ++c) y[i * kColours + c] = planes[c][i];
    }
  }
}

/** Whether x is what a network is given: pictures, row-major. */
bool IsInput(const Tensor& x) {
  return x.shape.size() == 4 && x.shape[1] == kColours && AsIs(x).layout == PlainLayout(x);
}

/** Convolutions of integers take pictures pixel by pixel; oneDNN's reorder would take four times as long. */
template <typename T>
void QuantizeInput(CpuBackend& backend, OpCall& call, float factor) {
  const Tensor& x = *call.inputs[0];
  Tensor& y = *call.outputs[0];
  const dnnl::memory::desc order(x.shape, TypeOf(y.dtype), dnnl::memory::format_tag::nhwc);
  T* const to = static_cast<T*>(backend.Create(y, order).data());
  const int64_t pixels = x.shape[2] * x.shape[3];
  ParallelFor(x.shape[0] * pixels, kGrain, [&](int64_t begin, int64_t end) {
    EveryIsa<Interleave<T>>(Pictures<T>{AsIs(x).floats(), to, factor, pixels}, begin, end);
  });
}

/** Some of the rows of w, each with a scale of its own. */
struct Rows {
  const float* w;
  int8_t* q;
  float* scales;
  int64_t begin, end, length;
};

/** The largest magnitude; infinite if a value is, or is NaN. */
ALEXNET_INLINE float Largest(const float* row, int64_t length) {
  uint32_t largest = 0;  // floats without a sign are in the order of their bits, NaN last
  for (int64_t i = 0; i < length; ++i) largest = std::max(largest, Bits(row[i]) & 0x7FFFFFFFu);
  const float value = FromBits(largest);
  return value <= std::numeric_limits<float>::max() ? value : std::numeric_limits<float>::infinity();
}

ALEXNET_INLINE void QuantizeRows(Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* const w = rows.w + r * rows.length;
    const float scale = Largest(w, rows.length) / kLargest;
    rows.scales[r] = scale > 0.f ? scale : 1.f;
    ToIntegers(Scaling<float, int8_t>{w, rows.q + r * rows.length, 1.f / rows.scales[r], 0, rows.length});
  }
}

}  // namespace

void Quantize(CpuBackend& backend, OpCall& call) {
  const auto factor = static_cast<float>(1. / call.Number("scale"));
  const bool is_signed = call.outputs[0]->dtype == DType::kInt8;
  if (IsInput(*call.inputs[0])) {
    return (is_signed ? QuantizeInput<int8_t> : QuantizeInput<uint8_t>)(backend, call, factor);
  }
  (is_signed ? ScaleAll<float, int8_t> : ScaleAll<float, uint8_t>)(backend, call, factor);
}

void Dequantize(CpuBackend& backend, OpCall& call) {
  const auto factor = static_cast<float>(call.Number("scale"));
  const bool is_signed = call.inputs[0]->dtype == DType::kInt8;
  (is_signed ? ScaleAll<int8_t, float> : ScaleAll<uint8_t, float>)(backend, call, factor);
}

void QuantizeWeights(CpuBackend& backend, OpCall& call) {
  const Tensor& w = *call.inputs[0];
  const Buffer from = Plain(backend, w);
  auto* const q = static_cast<int8_t*>(backend.CreatePlain(*call.outputs[0]).data());
  float* const scales = backend.CreatePlain(*call.outputs[1]).floats();
  const int64_t rows = w.shape[0], length = rows == 0 ? 0 : w.elements() / rows;
  ParallelFor(rows, 1, [&](int64_t begin, int64_t end) {
    EveryIsa<QuantizeRows>(Rows{from.floats(), q, scales, begin, end, length});
  });
}

}  // namespace alexnet::cpu
