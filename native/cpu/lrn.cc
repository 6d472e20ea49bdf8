// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), own kernel:
//   s_i = k + alpha * sum of x_j^2 over the window,  y_i = x_i s_i^-beta,
//   dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_j x_j s_j^(-beta-1) over the window.
// Invariant: alpha weighs the plain sum; the backward op needs x only, nothing is saved. A pixel's channels
// are brought together in cache, so blocked, channels-last and row-major layouts take the same path.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "cpu/kernels.h"
#include "cpu/parallel.h"

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

#define ALEXNET_INLINE inline __attribute__((always_inline))

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

ALEXNET_EVERY_ISA void ForwardRow(const float* x, float* y, PaddedRow& squares, float* s, int64_t channels,
                                  const Lrn& lrn) {
  float* inner = squares.inner();
  for (int64_t i = 0; i < channels; ++i) inner[i] = x[i] * x[i];
  WindowSums(squares.begin(), s, channels, lrn.size, lrn.k, lrn.alpha);
  NegativePower(s, s, channels, lrn.beta);
  for (int64_t i = 0; i < channels; ++i) y[i] = x[i] * s[i];
}

ALEXNET_EVERY_ISA void BackwardRow(const float* x, const float* dy, float* dx, PaddedRow& squares,
                                   PaddedRow& ratios, float* s, float* powers, int64_t channels,
                                   const Lrn& lrn) {
  float* inner = squares.inner();
  for (int64_t i = 0; i < channels; ++i) inner[i] = x[i] * x[i];
  WindowSums(squares.begin(), s, channels, lrn.size, lrn.k, lrn.alpha);
  NegativePower(s, powers, channels, lrn.beta);
  float* ratio = ratios.inner();
  for (int64_t i = 0; i < channels; ++i) ratio[i] = dy[i] * x[i] * powers[i] / s[i];
  WindowSums(ratios.begin(), s, channels, lrn.size, 0.f, 2.f * lrn.alpha * lrn.beta);
  for (int64_t i = 0; i < channels; ++i) dx[i] = dy[i] * powers[i] - x[i] * s[i];
}

/** Where channel c of pixel p of an image lies: (c / block) * pixels * block + p * block + c % block. */
struct Pixels {
  int64_t images, channels, pixels, block;

  int64_t Offset(int64_t image, int64_t pixel) const { return image * channels * pixels + pixel * block; }

  /** A pixel's channels in a row: as they lie if they are together, else gathered into `row`. */
  const float* Gather(const float* from, float* row) const {
    if (block == channels) return from;
    for (int64_t c = 0; c < channels; c += block, from += pixels * block) {
      if (block == 1) {
        row[c] = *from;
      } else {
        std::memcpy(row + c, from, static_cast<size_t>(block) * sizeof(float));
      }
    }
    return row;
  }
  void Scatter(const float* row, float* to) const {
    for (int64_t c = 0; c < channels; c += block, to += pixels * block) {
      if (block == 1) {
        *to = row[c];
      } else {
        std::memcpy(to, row + c, static_cast<size_t>(block) * sizeof(float));
      }
    }
  }
};

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

}  // namespace

void LrnForward(CpuBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Buffer x = Readable(backend, *call.inputs[0]);
  const Pixels at = Describe(x.layout, call.inputs[0]->shape);
  float* const y = backend.Create(*call.outputs[0], x.layout).floats();
  const int64_t channels = at.channels / lrn.groups;
  ParallelFor(at.images * at.pixels, kPixelsPerThread, [&](int64_t begin, int64_t end) {
    PaddedRow squares(channels, lrn.size);
    std::vector<float> row(static_cast<size_t>(at.channels)), out(row.size()), s(row.size());
    for (int64_t i = begin; i < end; ++i) {
      const int64_t offset = at.Offset(i / at.pixels, i % at.pixels);
      const float* in = at.Gather(x.floats() + offset, row.data());
      float* target = at.block == at.channels ? y + offset : out.data();
      for (int64_t c = 0; c < at.channels; c += channels) {
        ForwardRow(in + c, target + c, squares, s.data(), channels, lrn);
      }
      if (at.block != at.channels) at.Scatter(out.data(), y + offset);
    }
  });
}

void LrnBackward(CpuBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Buffer x = Readable(backend, *call.inputs[0]);
  const Buffer dy = In(backend, *call.inputs[1], x.layout);
  const Pixels at = Describe(x.layout, call.inputs[0]->shape);
  float* const dx = backend.Create(*call.outputs[0], x.layout).floats();
  const int64_t channels = at.channels / lrn.groups;
  ParallelFor(at.images * at.pixels, kPixelsPerThread, [&](int64_t begin, int64_t end) {
    PaddedRow squares(channels, lrn.size), ratios(channels, lrn.size);
    std::vector<float> row_x(static_cast<size_t>(at.channels)), row_dy(row_x.size()), out(row_x.size());
    std::vector<float> s(row_x.size()), powers(row_x.size());
    for (int64_t i = begin; i < end; ++i) {
      const int64_t offset = at.Offset(i / at.pixels, i % at.pixels);
      const float* in_x = at.Gather(x.floats() + offset, row_x.data());
      const float* in_dy = at.Gather(dy.floats() + offset, row_dy.data());
      float* target = at.block == at.channels ? dx + offset : out.data();
      for (int64_t c = 0; c < at.channels; c += channels) {
        BackwardRow(in_x + c, in_dy + c, target + c, squares, ratios, s.data(), powers.data(), channels, lrn);
      }
      if (at.block != at.channels) at.Scatter(out.data(), dx + offset);
    }
  });
}

}  // namespace alexnet::cpu
