// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), own kernel:
//   s_i = k + alpha * sum of x_j^2 over the window,  y_i = x_i s_i^-beta,
//   dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_j x_j s_j^(-beta-1) over the window.
// Invariant: alpha weighs the plain sum; the backward op needs x only, nothing is saved. A pixel's channels
// are brought together in cache in float32, so all layouts and types take the same path.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

struct Lrn {
  int64_t size, groups;
  float alpha, beta, k;

  explicit Lrn(const OpCall& call)
      : size(
            std::min(call.Integer("size"), 2 * call.inputs[0]->shape[1] - 1)),  // wider sees no more channels
        groups(call.Integer("channelGroups")),
        alpha(static_cast<float>(call.Number("alpha"))),
        beta(static_cast<float>(call.Number("beta"))),
        k(static_cast<float>(call.Number("k"))) {}
};

/** Scratch for one group's channels: `inner` values with the window's half of zeros on either side. */
class PaddedRow {
 public:
  PaddedRow(int64_t channels, int64_t size)
      : half_((size - 1) / 2), values_(static_cast<size_t>(channels + 2 * half_), 0.f) {}
  float* begin() { return values_.data(); }
  float* inner() { return values_.data() + half_; }

 private:
  int64_t half_;
  std::vector<float> values_;
};

/** sums[i] = base + scale * sum of padded[i .. i + size - 1]. */
ALEXNET_INLINE void WindowSums(const float* padded, float* sums, int64_t channels, int64_t size, float base,
                               float scale) {
  if (size == 5) {
    for (int64_t i = 0; i < channels; ++i) {
      sums[i] = base + scale * (padded[i] + padded[i + 1] + padded[i + 2] + padded[i + 3] + padded[i + 4]);
    }
    return;
  }
  for (int64_t i = 0; i < channels; ++i) sums[i] = 0.f;
  for (int64_t j = 0; j < size; ++j) {
    for (int64_t i = 0; i < channels; ++i) sums[i] += padded[i + j];
  }
  for (int64_t i = 0; i < channels; ++i) sums[i] = base + scale * sums[i];
}

/** powers[i] = s[i]^-beta; .75 without pow, which would be most of the time. */
ALEXNET_INLINE void NegativePower(const float* s, float* powers, int64_t channels, float beta) {
  if (beta == 0.75f) {
    for (int64_t i = 0; i < channels; ++i) {
      const float root = std::sqrt(s[i]);
      powers[i] = 1.f / (root * std::sqrt(root));
    }
    return;
  }
  for (int64_t i = 0; i < channels; ++i) powers[i] = std::pow(s[i], -beta);
}

/** Where channel c of pixel p of an image lies: (c / block) * pixels * block + p * block + c % block. */
struct Pixels {
  int64_t images, channels, pixels, block;

  ALEXNET_INLINE int64_t Offset(int64_t index) const {
    return index / pixels * channels * pixels + index % pixels * block;
  }
};

/** A pixel's channels, brought together in float32. */
template <typename T>
ALEXNET_INLINE void Gather(const T* from, float* row, const Pixels& at) {
  for (int64_t c = 0; c < at.channels; c += at.block, from += at.pixels * at.block) {
    for (int64_t i = 0; i < at.block; ++i) row[c + i] = Load(from + i);
  }
}

template <typename T>
ALEXNET_INLINE void Scatter(const float* row, T* to, const Pixels& at) {
  for (int64_t c = 0; c < at.channels; c += at.block, to += at.pixels * at.block) {
    for (int64_t i = 0; i < at.block; ++i) Store(row[c + i], to + i);
  }
}

/** Rows of one pixel, each as long as its channels; the padded ones hold one group at a time. */
struct Scratch {
  PaddedRow squares, ratios;
  std::vector<float> x, dy, out, s, powers;

  Scratch(const Pixels& at, const Lrn& lrn)
      : squares(at.channels / lrn.groups, lrn.size),
        ratios(at.channels / lrn.groups, lrn.size),
        x(static_cast<size_t>(at.channels)),
        dy(x.size()),
        out(x.size()),
        s(x.size()),
        powers(x.size()) {}
};

ALEXNET_INLINE void ForwardRow(const float* x, float* y, Scratch& scratch, int64_t channels, const Lrn& lrn) {
  float *inner = scratch.squares.inner(), *s = scratch.s.data();
  for (int64_t i = 0; i < channels; ++i) inner[i] = x[i] * x[i];
  WindowSums(scratch.squares.begin(), s, channels, lrn.size, lrn.k, lrn.alpha);
  NegativePower(s, s, channels, lrn.beta);
  for (int64_t i = 0; i < channels; ++i) y[i] = x[i] * s[i];
}

ALEXNET_INLINE void BackwardRow(const float* x, const float* dy, float* dx, Scratch& scratch,
                                int64_t channels, const Lrn& lrn) {
  float *inner = scratch.squares.inner(), *ratio = scratch.ratios.inner();
  float *s = scratch.s.data(), *powers = scratch.powers.data();
  for (int64_t i = 0; i < channels; ++i) inner[i] = x[i] * x[i];
  WindowSums(scratch.squares.begin(), s, channels, lrn.size, lrn.k, lrn.alpha);
  NegativePower(s, powers, channels, lrn.beta);
  for (int64_t i = 0; i < channels; ++i) ratio[i] = dy[i] * x[i] * powers[i] / s[i];
  WindowSums(scratch.ratios.begin(), s, channels, lrn.size, 0.f, 2.f * lrn.alpha * lrn.beta);
  for (int64_t i = 0; i < channels; ++i) dx[i] = dy[i] * powers[i] - x[i] * s[i];
}

template <typename T>
ALEXNET_INLINE void ForwardPixels(const T* x, T* y, int64_t begin, int64_t end, const Pixels& at,
                                  Scratch& scratch, const Lrn& lrn) {
  const int64_t channels = at.channels / lrn.groups;
  for (int64_t i = begin; i < end; ++i) {
    Gather(x + at.Offset(i), scratch.x.data(), at);
    for (int64_t c = 0; c < at.channels; c += channels) {
      ForwardRow(scratch.x.data() + c, scratch.out.data() + c, scratch, channels, lrn);
    }
    Scatter(scratch.out.data(), y + at.Offset(i), at);
  }
}

template <typename T>
ALEXNET_INLINE void BackwardPixels(const T* x, const T* dy, T* dx, int64_t begin, int64_t end,
                                   const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  const int64_t channels = at.channels / lrn.groups;
  for (int64_t i = begin; i < end; ++i) {
    Gather(x + at.Offset(i), scratch.x.data(), at);
    Gather(dy + at.Offset(i), scratch.dy.data(), at);
    for (int64_t c = 0; c < at.channels; c += channels) {
      BackwardRow(scratch.x.data() + c, scratch.dy.data() + c, scratch.out.data() + c, scratch, channels,
                  lrn);
    }
    Scatter(scratch.out.data(), dx + at.Offset(i), at);
  }
}

// Templates are not cloned for instruction sets, plain functions are.
ALEXNET_EVERY_ISA void Forward(const float* x, float* y, int64_t begin, int64_t end, const Pixels& at,
                               Scratch& scratch, const Lrn& lrn) {
  ForwardPixels(x, y, begin, end, at, scratch, lrn);
}
ALEXNET_EVERY_ISA void Forward(const BFloat16* x, BFloat16* y, int64_t begin, int64_t end, const Pixels& at,
                               Scratch& scratch, const Lrn& lrn) {
  ForwardPixels(x, y, begin, end, at, scratch, lrn);
}
ALEXNET_EVERY_ISA void Backward(const float* x, const float* dy, float* dx, int64_t begin, int64_t end,
                                const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  BackwardPixels(x, dy, dx, begin, end, at, scratch, lrn);
}
ALEXNET_EVERY_ISA void Backward(const BFloat16* x, const BFloat16* dy, BFloat16* dx, int64_t begin,
                                int64_t end, const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  BackwardPixels(x, dy, dx, begin, end, at, scratch, lrn);
}

/** Channels that lie together: all (channels-last), 16 or 8 (blocked), 1 (row-major); 0: none of these. */
int64_t ChannelBlock(const dnnl::memory::desc& layout, const Shape& shape) {
  using tag = dnnl::memory::format_tag;
  const auto is = [&](tag order) {
    return layout == dnnl::memory::desc(shape, layout.get_data_type(), order);
  };
  if (IsPadded(layout)) return 0;
  if (is(tag::nChw16c)) return 16;
  if (is(tag::nChw8c)) return 8;
  if (is(tag::nhwc)) return shape[1];
  return is(tag::nchw) ? 1 : 0;
}

/** x in a layout that Pixels can describe. */
Buffer Readable(CpuBackend& backend, const Tensor& tensor) {
  const Buffer& buffer = AsIs(tensor);
  return ChannelBlock(buffer.layout, tensor.shape) != 0 ? buffer : Plain(backend, tensor);
}

Pixels Describe(const dnnl::memory::desc& layout, const Shape& shape) {
  return {shape[0], shape[1], shape[2] * shape[3], ChannelBlock(layout, shape)};
}

constexpr int64_t kPixelsPerThread = 64;

template <typename T>
const T* As(const Buffer& buffer) {
  return static_cast<const T*>(buffer.data());
}

template <typename T>
void ForwardAs(CpuBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Buffer x = Readable(backend, *call.inputs[0]);
  const Pixels at = Describe(x.layout, call.inputs[0]->shape);
  T* const y = static_cast<T*>(backend.Create(*call.outputs[0], x.layout).data());
  ParallelFor(at.images * at.pixels, kPixelsPerThread, [&](int64_t begin, int64_t end) {
    Scratch scratch(at, lrn);
    Forward(As<T>(x), y, begin, end, at, scratch, lrn);
  });
}

template <typename T>
void BackwardAs(CpuBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Buffer x = Readable(backend, *call.inputs[0]);
  const Buffer dy = In(backend, *call.inputs[1], x.layout);
  const Pixels at = Describe(x.layout, call.inputs[0]->shape);
  T* const dx = static_cast<T*>(backend.Create(*call.outputs[0], x.layout).data());
  ParallelFor(at.images * at.pixels, kPixelsPerThread, [&](int64_t begin, int64_t end) {
    Scratch scratch(at, lrn);
    Backward(As<T>(x), As<T>(dy), dx, begin, end, at, scratch, lrn);
  });
}

}  // namespace

void LrnForward(CpuBackend& backend, OpCall& call) {
  (call.inputs[0]->dtype == DType::kFloat32 ? ForwardAs<float> : ForwardAs<BFloat16>)(backend, call);
}

void LrnBackward(CpuBackend& backend, OpCall& call) {
  (call.inputs[0]->dtype == DType::kFloat32 ? BackwardAs<float> : BackwardAs<BFloat16>)(backend, call);
}

}  // namespace alexnet::cpu
