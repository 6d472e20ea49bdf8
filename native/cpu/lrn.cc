// Local response normalisation across channels (Krizhevsky et al. 2012, section 3.3), own kernel:
//   s_i = k + alpha * sum of x_j^2 over the window,  y_i = x_i s_i^-beta,
//   dx_i = dy_i s_i^-beta - 2 alpha beta x_i * sum of dy_j x_j s_j^(-beta-1) over the window.
// Invariant: the backward op needs x only, nothing is saved. AlexNet's window and power go by rows in vectors
// (lrn_rows.h); for all others a pixel's channels are brought together in float32, in any layout.
#include "cpu/lrn.h"

#include <cmath>
#include <type_traits>

#include "core/every_isa.h"
#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

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
  float sum = 0.f;
  for (int64_t j = 0; j < size; ++j) sum += padded[i + j];
  return sum;
}

/** powers = s^-beta. Roots take a tenth of a power's time. */
ALEXNET_INLINE void InversePowers(const float* __restrict__ s, float* __restrict__ powers, int64_t channels,
                                  float beta) {
  if (beta == 0.75f) {
    for (int64_t i = 0; i < channels; ++i) {
      const float root = std::sqrt(s[i]);
      powers[i] = 1.f / (root * std::sqrt(root));
    }
    return;
  }
  for (int64_t i = 0; i < channels; ++i) powers[i] = std::pow(s[i], -beta);
}

/** s into `s`, from the squares of x. */
ALEXNET_INLINE void Denominators(const float* __restrict__ x, float* __restrict__ squares,
                                 float* __restrict__ s, int64_t channels, const Lrn& lrn) {
  const float alpha = lrn.alpha, k = lrn.k;
  const int64_t size = lrn.size, half = (size - 1) / 2;
  for (int64_t i = 0; i < channels; ++i) squares[half + i] = x[i] * x[i];
  for (int64_t i = 0; i < channels; ++i) s[i] = k + alpha * WindowSum(squares, i, size);
}

/** y = x s^-beta */
ALEXNET_INLINE void ForwardPixel(Scratch& scratch, int64_t first, int64_t channels, const Lrn& lrn) {
  const float* const x = scratch.x.data() + first;
  float *const y = scratch.out.data() + first, *const powers = scratch.powers.data();
  Denominators(x, scratch.squares.data(), y, channels, lrn);
  InversePowers(y, powers, channels, lrn.beta);
  for (int64_t i = 0; i < channels; ++i) y[i] = x[i] * powers[i];
}

/** dx = dy s^-beta - 2 alpha beta x * (sum of dy x s^(-beta - 1) over the window) */
ALEXNET_INLINE void BackwardPixel(Scratch& scratch, int64_t first, int64_t channels, const Lrn& lrn) {
  const float *const x = scratch.x.data() + first, *const dy = scratch.dy.data() + first;
  float *const dx = scratch.out.data() + first, *const powers = scratch.powers.data();
  float* const ratios = scratch.ratios.data();
  const float scale = 2.f * lrn.alpha * lrn.beta;
  const int64_t half = (lrn.size - 1) / 2;
  Denominators(x, scratch.squares.data(), dx, channels, lrn);
  InversePowers(dx, powers, channels, lrn.beta);
  for (int64_t i = 0; i < channels; ++i) {
    powers[i] *= dy[i];
    ratios[half + i] = powers[i] * x[i] / dx[i];
  }
  for (int64_t i = 0; i < channels; ++i) dx[i] = powers[i] - scale * x[i] * WindowSum(ratios, i, lrn.size);
}

template <typename T>
ALEXNET_INLINE void Gather(const T* from, float* row, const Pixels& at) {
  const int64_t step = at.height * at.width * at.block;
  for (int64_t c = 0; c < at.channels; c += at.block, from += step) {
    for (int64_t i = 0; i < at.block; ++i) row[c + i] = Load(from + i);
  }
}

template <typename T>
ALEXNET_INLINE void Scatter(const float* row, T* to, const Pixels& at) {
  const int64_t step = at.height * at.width * at.block;
  for (int64_t c = 0; c < at.channels; c += at.block, to += step) {
    for (int64_t i = 0; i < at.block; ++i) Store(row[c + i], to + i);
  }
}

/** One op: backward if there is a dy. */
template <typename T>
struct Work {
  const T* x;
  const T* dy;
  T* out;
};

template <typename T>
ALEXNET_INLINE void EachPixel(Work<T> work, const Pixels* pixels, Scratch* scratch, const Lrn* lrn,
                              int64_t begin, int64_t end) {
  const Pixels at = *pixels;
  const int64_t channels = at.channels / lrn->groups;
  for (int64_t i = begin; i < end; ++i) {
    const int64_t row = i / at.width;
    const int64_t offset = at.Offset(row / at.height, row % at.height) + i % at.width * at.pixel();
    Gather(work.x + offset, scratch->x.data(), at);
    if (work.dy != nullptr) Gather(work.dy + offset, scratch->dy.data(), at);
    for (int64_t c = 0; c < at.channels; c += channels) {
      if (work.dy == nullptr) {
        ForwardPixel(*scratch, c, channels, *lrn);
      } else {
        BackwardPixel(*scratch, c, channels, *lrn);
      }
    }
    Scatter(scratch->out.data(), work.out + offset, at);
  }
}

constexpr int64_t kPixelsPerThread = 64;

template <typename T>
void RunByPixels(const Work<T>& work, const Pixels& at, const Lrn& lrn) {
  ParallelFor(at.images * at.height * at.width, kPixelsPerThread, [&](int64_t begin, int64_t end) {
    Scratch scratch(at.channels, lrn);
    EveryIsa<EachPixel<T>>(work, &at, &scratch, &lrn, begin, end);
  });
}

template <typename T>
void RunByRows(const Work<T>& work, const Pixels& at, const Lrn& lrn) {
  const std::vector<int64_t> vectors = at.Vectors();
  ParallelFor(at.images * at.height, 1, [&](int64_t begin, int64_t end) {
    std::vector<float> scratch;
    const LrnRow row = lrn.RowOf(at, scratch);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t offset = at.Offset(i / at.height, i % at.height);
      const auto place = [&](auto* data) {
        return Row<std::remove_pointer_t<decltype(data)>>{data + offset, at.pixel(), vectors.data()};
      };
      if (work.dy == nullptr) {
        LrnRowForward(row, place(work.x), place(work.out));
      } else if constexpr (!std::is_integral_v<T>) {  // integers are for predictions
        LrnRowBackward(row, place(work.x), place(work.dy), place(work.out), false);
      }
    }
  });
}

/** x in a layout that Pixels can describe. */
Buffer Readable(CpuBackend& backend, const Tensor& tensor) {
  const Buffer buffer = InVectors(backend, tensor);
  return ChannelBlock(buffer.layout) != 0 ? buffer : Plain(backend, tensor);
}

/** Forward, or backward if the call has a second input. */
template <typename T>
void RunAs(CpuBackend& backend, OpCall& call) {
  const Lrn lrn(call);
  const Buffer x = Readable(backend, *call.inputs[0]);
  const Buffer dy = call.inputs.size() > 1 ? In(backend, *call.inputs[1], x.layout) : Buffer{};
  const Pixels at = PixelsOf(x.layout);
  const Work<T> work = {static_cast<const T*>(x.data()), static_cast<const T*>(dy.data()),
                        static_cast<T*>(backend.Create(*call.outputs[0], x.layout).data())};
  const bool by_rows = lrn.GoesByRows(at);
  NotePlan(backend, call, x.layout, by_rows);
  if (by_rows) return RunByRows(work, at, lrn);
  RunByPixels(work, at, lrn);
}

void Run(CpuBackend& backend, OpCall& call) {
  const DType type = call.inputs[0]->dtype;
  if (type == DType::kUint8) return RunAs<uint8_t>(backend, call);
  (type == DType::kFloat32 ? RunAs<float> : RunAs<BFloat16>)(backend, call);
}

}  // namespace

bool Lrn::GoesByRows(const Pixels& at) const {
  return size == 5 && beta == 0.75f && at.ComeInVectors() && at.channels / groups % VectorLanes() == 0;
}

LrnRow Lrn::RowOf(const Pixels& at, std::vector<float>& scratch) const {
  const int64_t vectors = at.channels / VectorLanes();
  scratch.resize(static_cast<size_t>(2 * at.channels / groups + VectorLanes()));
  return {alpha, k, at.width, vectors, vectors / groups, scratch.data()};
}

void LrnForward(CpuBackend& backend, OpCall& call) {
  Run(backend, call);
}
void LrnBackward(CpuBackend& backend, OpCall& call) {
  Run(backend, call);
}

}  // namespace alexnet::cpu
