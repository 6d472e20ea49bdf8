// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), own kernel:
//   s_i = k + alpha * sum of x_j^2 over the window,  y_i = x_i s_i^-beta,
//   dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_j x_j s_j^(-beta-1) over the window.
// Invariant: alpha weighs the plain sum; the backward op needs x only, nothing is saved. A pixel's channels
// are brought together in cache in float32, so all layouts and types take the same path.
#include <algorithm>
#include <cmath>
#include <type_traits>

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

  /** Window and power in every one of its presets; they have a fast path. */
  bool IsAlexNets() const { return beta == 0.75f && size == 5; }
};

/** Rows of one pixel; the padded ones hold a group, with the window's half of zeros on either side. */
struct Scratch {
  std::vector<float> squares, ratios, x, dy, out, powers;

  Scratch(int64_t all_channels, const Lrn& lrn)
      : squares(static_cast<size_t>(all_channels / lrn.groups + lrn.size), 0.f),
        ratios(squares),
        x(static_cast<size_t>(all_channels)),
        dy(x),
        out(x),
        powers(x) {}
};

/** Sum of padded[i .. i + size - 1]. */
ALEXNET_INLINE float WindowSum(const float* padded, int64_t i, int64_t size) {
  if (size == 5) return padded[i] + padded[i + 1] + padded[i + 2] + padded[i + 3] + padded[i + 4];
  float sum = 0.f;
  for (int64_t j = 0; j < size; ++j) sum += padded[i + j];
  return sum;
}

/**
 * s^-1/4: a guess from the exponent's bits, 3 % off, and steps of Householder's method of third order: to
 * 1e-7 after two, to 3e-5 after one, a hundredth of an integer of 8 bits. No division and no root, which
 * would be most of the time.
 */
template <int kSteps>
ALEXNET_INLINE float InverseFourthRoot(float s) {
  float r = FromBits(0x4F584000u - (Bits(s) >> 2));
  for (int step = 0; step < kSteps; ++step) {
    const float square = r * r, error = 1.f - s * square * square;
    r += r * error * (0.25f + 0.15625f * error);
  }
  return r;
}

/** y = x s^-beta */
template <int kSteps>
ALEXNET_INLINE void ForwardRow(const float* __restrict__ x, float* __restrict__ y,
                               float* __restrict__ squares, int64_t channels, const Lrn& lrn) {
  const float alpha = lrn.alpha, k = lrn.k, beta = lrn.beta;
  const int64_t size = lrn.size, half = (size - 1) / 2;
  for (int64_t i = 0; i < channels; ++i) squares[half + i] = x[i] * x[i];
  if (lrn.IsAlexNets()) {
    for (int64_t i = 0; i < channels; ++i) {
      const float r = InverseFourthRoot<kSteps>(k + alpha * WindowSum(squares, i, 5));
      y[i] = x[i] * (r * r * r);
    }
    return;
  }
  for (int64_t i = 0; i < channels; ++i) {
    y[i] = x[i] * std::pow(k + alpha * WindowSum(squares, i, size), -beta);
  }
}

/** dx = dy s^-beta - 2 alpha beta x * (sum of dy x s^(-beta - 1) over the window) */
ALEXNET_INLINE void BackwardRow(const float* __restrict__ x, const float* __restrict__ dy,
                                float* __restrict__ dx, float* __restrict__ squares,
                                float* __restrict__ ratios, float* __restrict__ powers, int64_t channels,
                                const Lrn& lrn) {
  const float alpha = lrn.alpha, k = lrn.k, beta = lrn.beta, scale = 2.f * alpha * beta;
  const int64_t size = lrn.size, half = (size - 1) / 2;
  for (int64_t i = 0; i < channels; ++i) squares[half + i] = x[i] * x[i];
  if (lrn.IsAlexNets()) {
    for (int64_t i = 0; i < channels; ++i) {
      const float r = InverseFourthRoot<2>(k + alpha * WindowSum(squares, i, 5));
      const float square = r * r, scaled = dy[i] * (square * r);
      powers[i] = scaled;
      ratios[half + i] = scaled * x[i] * (square * square);
    }
    for (int64_t i = 0; i < channels; ++i) dx[i] = powers[i] - scale * x[i] * WindowSum(ratios, i, 5);
    return;
  }
  for (int64_t i = 0; i < channels; ++i) {
    const float s = k + alpha * WindowSum(squares, i, size);
    powers[i] = dy[i] * std::pow(s, -beta);
    ratios[half + i] = powers[i] * x[i] / s;
  }
  for (int64_t i = 0; i < channels; ++i) dx[i] = powers[i] - scale * x[i] * WindowSum(ratios, i, size);
}

/** Where channel c of pixel p of an image lies: (c / block) * pixels * block + p * block + c % block. */
struct Pixels {
  int64_t images, channels, pixels, block;

  ALEXNET_INLINE int64_t Offset(int64_t index) const {
    return index / pixels * channels * pixels + index % pixels * block;
  }
};

/** A pixel's channels, brought together in float32; `block` is at.block, a constant where that is a usual
 * one. */
template <typename T>
ALEXNET_INLINE void GatherBlocks(const T* __restrict__ from, float* __restrict__ row, const Pixels& at,
                                 int64_t channels, int64_t block) {
  for (int64_t c = 0; c < channels; c += block, from += at.pixels * block) {
    for (int64_t i = 0; i < block; ++i) row[c + i] = Load(from + i);
  }
}

template <typename T>
ALEXNET_INLINE void ScatterBlocks(const float* __restrict__ row, T* __restrict__ to, const Pixels& at,
                                  int64_t channels, int64_t block) {
  for (int64_t c = 0; c < channels; c += block, to += at.pixels * block) {
    for (int64_t i = 0; i < block; ++i) Store(row[c + i], to + i);
  }
}

template <typename T>
ALEXNET_INLINE void Gather(const T* from, float* row, const Pixels& at, int64_t channels) {
  if (at.block == 16) return GatherBlocks(from, row, at, channels, 16);
  if (at.block == 8) return GatherBlocks(from, row, at, channels, 8);
  GatherBlocks(from, row, at, channels, at.block);
}

template <typename T>
ALEXNET_INLINE void Scatter(const float* row, T* to, const Pixels& at, int64_t channels) {
  if (at.block == 16) return ScatterBlocks(row, to, at, channels, 16);
  if (at.block == 8) return ScatterBlocks(row, to, at, channels, 8);
  ScatterBlocks(row, to, at, channels, at.block);
}

/** One op on some of the pixels: backward if there is a dy. */
template <typename T>
struct Work {
  const T* x;
  const T* dy;
  T* out;
  int64_t begin, end;
};

/** `all` channels in groups of `channels`: constants for the compiler where they are frequent, which halves
 * the time. */
template <typename T>
ALEXNET_INLINE void EachPixel(const Work<T>& work, const Pixels& at, Scratch& scratch, const Lrn& lrn,
                              int64_t all, int64_t channels) {
  float *const x = scratch.x.data(), *const dy = scratch.dy.data(), *const out = scratch.out.data();
  float *const squares = scratch.squares.data(), *const ratios = scratch.ratios.data();
  float* const powers = scratch.powers.data();
  for (int64_t i = work.begin; i < work.end; ++i) {
    const int64_t offset = at.Offset(i);
    Gather(work.x + offset, x, at, all);
    if (work.dy == nullptr) {
      constexpr int kSteps = std::is_integral<T>::value ? 1 : 2;
      for (int64_t c = 0; c < all; c += channels) ForwardRow<kSteps>(x + c, out + c, squares, channels, lrn);
    } else {
      Gather(work.dy + offset, dy, at, all);
      for (int64_t c = 0; c < all; c += channels) {
        BackwardRow(x + c, dy + c, out + c, squares, ratios, powers, channels, lrn);
      }
    }
    Scatter(out, work.out + offset, at, all);
  }
}

template <typename T>
ALEXNET_INLINE void EachPixelOf(const Work<T>& work, const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  if (lrn.groups == 1 && at.channels == 96) return EachPixel(work, at, scratch, lrn, 96, 96);
  if (lrn.groups == 1 && at.channels == 256) return EachPixel(work, at, scratch, lrn, 256, 256);
  EachPixel(work, at, scratch, lrn, at.channels, at.channels / lrn.groups);
}

// Templates are not cloned for instruction sets, plain functions are.
ALEXNET_EVERY_ISA void Run(const Work<float>& work, const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  EachPixelOf(work, at, scratch, lrn);
}
ALEXNET_EVERY_ISA void Run(const Work<BFloat16>& work, const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  EachPixelOf(work, at, scratch, lrn);
}
ALEXNET_EVERY_ISA void Run(const Work<uint8_t>& work, const Pixels& at, Scratch& scratch, const Lrn& lrn) {
  EachPixelOf(work, at, scratch, lrn);
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

/** Forward, or backward if the call has a second input. */
template <typename T>
void RunAs(CpuBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Buffer x = Readable(backend, *call.inputs[0]);
  const Buffer dy = call.inputs.size() > 1 ? In(backend, *call.inputs[1], x.layout) : Buffer{};
  const Pixels at = Describe(x.layout, call.inputs[0]->shape);
  T* const out = static_cast<T*>(backend.Create(*call.outputs[0], x.layout).data());
  ParallelFor(at.images * at.pixels, kPixelsPerThread, [&](int64_t begin, int64_t end) {
    Scratch scratch(at.channels, lrn);
    const T *const in = static_cast<const T*>(x.data()), *const gradient = static_cast<const T*>(dy.data());
    Run(Work<T>{in, gradient, out, begin, end}, at, scratch, lrn);
  });
}

void Run(CpuBackend& backend, OpCall& call) {
  const DType type = call.inputs[0]->dtype;
  if (type == DType::kUint8) return RunAs<uint8_t>(backend, call);
  (type == DType::kFloat32 ? RunAs<float> : RunAs<BFloat16>)(backend, call);
}

}  // namespace

void LrnForward(CpuBackend& backend, OpCall& call) {
  Run(backend, call);
}
void LrnBackward(CpuBackend& backend, OpCall& call) {
  Run(backend, call);
}

}  // namespace alexnet::cpu
