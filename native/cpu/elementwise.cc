// Fills, elementwise arithmetic and full reductions.
// Invariant: two operands are combined in the first one's layout; padded layouts are made dense first.
#include <algorithm>

#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

ALEXNET_INLINE void AffineRange(const float* x, float* y, int64_t count, float scale, float shift) {
  for (int64_t i = 0; i < count; ++i) y[i] = x[i] * scale + shift;
}

// A NaN stays one: no comparison with it is true.
ALEXNET_INLINE void ClampRange(const float* x, float* y, int64_t count, float low, float high) {
  for (int64_t i = 0; i < count; ++i) {
    const float above = x[i] < low ? low : x[i];
    y[i] = above > high ? high : above;
  }
}

ALEXNET_INLINE void AddRange(const float* x, const float* y, float* z, int64_t count) {
  for (int64_t i = 0; i < count; ++i) z[i] = x[i] + y[i];
}

ALEXNET_INLINE void MultiplyRange(const float* x, const float* y, float* z, int64_t count) {
  for (int64_t i = 0; i < count; ++i) z[i] = x[i] * y[i];
}

/** The sum of 32 sums, each of every 32nd value: as many additions as the processor has under way. */
template <bool kSquared>
ALEXNET_INLINE void SumRange(const float* x, int64_t count, double* total) {
  constexpr int64_t kSums = 32;
  double sums[kSums] = {};
  int64_t i = 0;
  for (; i + kSums <= count; i += kSums) {
    for (int64_t j = 0; j < kSums; ++j) {
      const double value = x[i + j];
      sums[j] += kSquared ? value * value : value;
    }
  }
  for (; i < count; ++i) {
    const double value = x[i];
    sums[i % kSums] += kSquared ? value * value : value;
  }
  *total = 0;
  for (const double sum : sums) *total += sum;
}

/** The sum over all elements, squared or not, as the one element of the output. */
template <bool kSquared>
void Total(CpuBackend& backend, OpCall& call, const Buffer& x) {
  const double total = ParallelSum(call.inputs[0]->elements(), [&](int64_t begin, int64_t end) {
    double sum = 0;
    EveryIsa<SumRange<kSquared>>(x.floats() + begin, end - begin, &sum);
    return sum;
  });
  *backend.CreatePlain(*call.outputs[0]).floats() = static_cast<float>(total);
}

/** range(x, y, count) over all elements of the first input. */
template <typename Range>
void Unary(CpuBackend& backend, OpCall& call, const Range& range) {
  const Buffer x = Dense(backend, *call.inputs[0]);
  const Buffer& y = backend.Create(*call.outputs[0], x.layout);
  ForEachChunk<1>(call.outputs[0]->elements(), {x}, y,
                  [&](int64_t, const std::array<const float*, 1>& in, float* out, int64_t count) {
                    range(in[0], out, count);
                  });
}

/** kRange(x, y, z, count) over all elements. */
template <auto kRange>
void Binary(CpuBackend& backend, OpCall& call) {
  const Buffer x = Dense(backend, *call.inputs[0]);
  const Buffer y = In(backend, *call.inputs[1], x.layout);
  const Buffer& z = backend.Create(*call.outputs[0], x.layout);
  ForEachChunk<2>(call.outputs[0]->elements(), {x, y}, z,
                  [](int64_t, const std::array<const float*, 2>& in, float* out, int64_t count) {
                    EveryIsa<kRange>(in[0], in[1], out, count);
                  });
}

}  // namespace

void Fill(CpuBackend& backend, OpCall& call) {
  Tensor& y = *call.outputs[0];
  const double value = call.Number("value");
  void* const data = backend.CreatePlain(y).data();
  switch (y.dtype) {
    case DType::kFloat32:
      std::fill_n(static_cast<float*>(data), y.elements(), static_cast<float>(value));
      return;
    case DType::kInt32:
      std::fill_n(static_cast<int32_t*>(data), y.elements(), static_cast<int32_t>(value));
      return;
    case DType::kUint8:
      std::fill_n(static_cast<uint8_t*>(data), y.elements(), static_cast<uint8_t>(value));
      return;
    default:
      throw Error(ErrorCode::kUnsupported,
                  Message("fill does not write ", ToString(y.dtype), "; fill float32 and cast"));
  }
}

// The new tensor shares memory with the old one where that lies row-major; ops never write into what is
// shared.
void Reshape(CpuBackend& backend, OpCall& call) {
  const Buffer x = Plain(backend, *call.inputs[0]);
  call.outputs[0]->storage = std::make_shared<CpuStorage>(Buffer{PlainLayout(*call.outputs[0]), x.block});
}

void Affine(CpuBackend& backend, OpCall& call) {
  const auto scale = static_cast<float>(call.Number("scale")),
             shift = static_cast<float>(call.Number("shift"));
  Unary(backend, call,
        [=](const float* x, float* y, int64_t count) { EveryIsa<AffineRange>(x, y, count, scale, shift); });
}

void Clamp(CpuBackend& backend, OpCall& call) {
  const auto low = static_cast<float>(call.Number("low")), high = static_cast<float>(call.Number("high"));
  Unary(backend, call,
        [=](const float* x, float* y, int64_t count) { EveryIsa<ClampRange>(x, y, count, low, high); });
}

// The factor is on the device, so that nobody has to wait for it.
void ScaleBy(CpuBackend& backend, OpCall& call) {
  const float scale = *Plain(backend, *call.inputs[1]).floats();
  Unary(backend, call,
        [=](const float* x, float* y, int64_t count) { EveryIsa<AffineRange>(x, y, count, scale, 0.f); });
}

void Add(CpuBackend& backend, OpCall& call) {
  Binary<AddRange>(backend, call);
}
void Multiply(CpuBackend& backend, OpCall& call) {
  Binary<MultiplyRange>(backend, call);
}

void Sum(CpuBackend& backend, OpCall& call) {
  Total<false>(backend, call, Plain(backend, *call.inputs[0]));
}

void SumSquares(CpuBackend& backend, OpCall& call) {
  Total<true>(backend, call, Dense(backend, *call.inputs[0]));
}

}  // namespace alexnet::cpu
