// Resampling: rows are averaged first, which runs along contiguous bytes, then columns.
// Invariant: what a row holds does not depend on which rows were asked for before.
#include "core/resample.h"

#include <algorithm>
#include <cmath>

#include "core/every_isa.h"

namespace alexnet {
namespace {

template <typename Value>
ALEXNET_INLINE void AddScaled(const Value* in, float weight, float* sum, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += weight * static_cast<float>(in[i]);
}

/** One tap of every value of a row. */
ALEXNET_INLINE void Gather(const float* in, const int32_t* starts, const float* weights, float* out,
                           int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = weights[i] * in[starts[i]];
}

ALEXNET_INLINE void AddGathered(const float* in, const int32_t* starts, const float* weights, float* out,
                                int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] += weights[i] * in[starts[i]];
}

struct Window {
  double centre, inverse;
  int64_t first, end;
};

/** Of output pixel i: which input pixels it sees. */
Window WindowOf(int64_t i, int64_t input, double scale) {
  const double support = std::max(1.0, scale);
  const double centre = scale * (static_cast<double>(i) + 0.5);
  const auto first = std::max<int64_t>(0, static_cast<int64_t>(std::floor(centre - support + 0.5)));
  const auto end = std::min<int64_t>(input, static_cast<int64_t>(std::floor(centre + support + 0.5)));
  return {centre, 1.0 / support, first, end};
}

double Triangle(const Window& window, int64_t pixel) {
  const double distance = (static_cast<double>(pixel) + 0.5 - window.centre) * window.inverse;
  return std::max(0.0, 1.0 - std::abs(distance));
}

/** Keys 1981, equation 4 with a = -0.5. */
double CatmullRom(double distance) {
  const double d = std::abs(distance);
  if (d < 1) return (1.5 * d - 2.5) * d * d + 1;
  return d < 2 ? ((-0.5 * d + 2.5) * d - 4) * d + 2 : 0;
}

}  // namespace

void ResampleAxis::Begin(int64_t input, int64_t output, int64_t taps) {
  input_ = input;
  taps_ = std::min(input, taps);
  starts_.resize(static_cast<size_t>(output));
  weights_.assign(static_cast<size_t>(output * taps_), 0.f);
}

float& ResampleAxis::WeightOf(int64_t pixel, int64_t i) {
  return weights_[static_cast<size_t>((pixel - start(i)) * output() + i)];
}

void ResampleAxis::PlanTriangle(int64_t input, int64_t output) {
  const double scale = static_cast<double>(input) / static_cast<double>(output);
  Begin(input, output, static_cast<int64_t>(std::floor(2 * std::max(1.0, scale))) + 1);
  for (int64_t i = 0; i < output; ++i) {
    const Window window = WindowOf(i, input, scale);
    double total = 0;
    for (int64_t pixel = window.first; pixel < window.end; ++pixel) total += Triangle(window, pixel);
    // Near the end the window moves back, so that all its taps are pixels; those in front get no weight.
    starts_[static_cast<size_t>(i)] = static_cast<int32_t>(std::min(window.first, input - taps_));
    for (int64_t pixel = window.first; pixel < window.end; ++pixel) {
      WeightOf(pixel, i) = static_cast<float>(Triangle(window, pixel) / total);
    }
  }
}

void ResampleAxis::PlanSmooth(int64_t input, int64_t scaled, int64_t first, int64_t count) {
  const double scale = static_cast<double>(input) / static_cast<double>(scaled);
  const bool shrinks = input > scaled;
  Begin(input, count, shrinks ? static_cast<int64_t>(std::ceil(scale)) + 1 : 4);
  for (int64_t i = 0; i < count; ++i) {
    const auto at = static_cast<double>(first + i);
    const double centre = (at + 0.5) * scale - 0.5, from = at * scale;
    const auto leftmost = static_cast<int64_t>(std::floor(shrinks ? from : centre - 1));
    const int64_t start = std::clamp<int64_t>(leftmost, 0, input - taps_);
    starts_[static_cast<size_t>(i)] = static_cast<int32_t>(start);
    if (shrinks) {
      const double to = std::min(from + scale, static_cast<double>(input));
      for (int64_t pixel = start; pixel < start + taps_; ++pixel) {
        const double covered =
            std::min(static_cast<double>(pixel + 1), to) - std::max(static_cast<double>(pixel), from);
        WeightOf(pixel, i) = static_cast<float>(std::max(0.0, covered) / scale);
      }
    } else {
      for (int64_t pixel = leftmost; pixel < leftmost + 4; ++pixel) {
        WeightOf(std::clamp<int64_t>(pixel, 0, input - 1), i) +=
            static_cast<float>(CatmullRom(centre - static_cast<double>(pixel)));
      }
    }
  }
}

int64_t ResampleAxis::Narrow() {
  const int32_t first = starts_.front();
  input_ = starts_.back() + taps_ - first;
  for (int32_t& start : starts_) start -= first;
  return first;
}

void Resampler::Plan() {
  narrowed_.resize(static_cast<size_t>(columns_.input()) * 3);
  PlanColumns();
}

void Resampler::PlanColumns() {
  const int64_t values = columns_.output() * 3;
  column_starts_.resize(static_cast<size_t>(values));
  column_weights_.resize(static_cast<size_t>(values * columns_.taps()));
  for (int64_t i = 0; i < values; ++i) {
    column_starts_[static_cast<size_t>(i)] = columns_.start(i / 3) * 3 + static_cast<int32_t>(i % 3);
    for (int64_t tap = 0; tap < columns_.taps(); ++tap) {
      column_weights_[static_cast<size_t>(tap * values + i)] = columns_.weight(tap, i / 3);
    }
  }
}

void Resampler::Clear() {
  std::fill(narrowed_.begin(), narrowed_.end(), 0.f);
}

template <typename T>
void Resampler::AddRows(const T* from, int64_t stride, int64_t row, float sign) {
  const T* const first = from + rows_.start(row) * stride;
  for (int64_t tap = 0; tap < rows_.taps(); ++tap) {
    const float weight = rows_.weight(tap, row);
    if (weight == 0) continue;
    EveryIsa<AddScaled<T>>(first + tap * stride, sign * weight, narrowed_.data(), columns_.input() * 3);
  }
}

void Resampler::Columns(float* out) const {
  const int64_t values = columns_.output() * 3;
  EveryIsa<Gather>(narrowed_.data(), column_starts_.data(), column_weights_.data(), out, values);
  for (int64_t tap = 1; tap < columns_.taps(); ++tap) {
    EveryIsa<AddGathered>(narrowed_.data() + tap * 3, column_starts_.data(),
                          column_weights_.data() + tap * values, out, values);
  }
}

void Resampler::Row(const uint8_t* from, int64_t stride, int64_t row, float* out) {
  Clear();
  AddRows(from, stride, row, 1.f);
  Columns(out);
}

void Resampler::Row(const float* from, int64_t stride, int64_t row, float* out) {
  Clear();
  AddRows(from, stride, row, 1.f);
  Columns(out);
}

void Resampler::DifferenceRow(const uint8_t* from, const float* less, int64_t stride, int64_t row,
                              float* out) {
  Clear();
  AddRows(from, stride, row, 1.f);
  AddRows(less, stride, row, -1.f);
  Columns(out);
}

}  // namespace alexnet
