// Resampling of one row at a time, out of a rectangle of a picture.
// Invariant: pixels outside the rectangle have no weight: the same as cropping first, then resizing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace alexnet {

/** One axis: output i is the sum over t of weights[t * output + i] * input[starts[i] + t]. */
class ResampleAxis {
 public:
  /**
   * All of the input. Triangle filter of support max(1, input / output) around pixel centres, weights
   * normalised over the pixels that exist: what PIL's BILINEAR and torch's interpolate(antialias=True,
   * align_corners=False) compute.
   */
  void PlanTriangle(int64_t input, int64_t output);
  /**
   * Pixels first..first + count - 1 of `input` pixels scaled to `scaled`. With s = input / scaled, output
   * pixel i covers the input from i * s to (i + 1) * s. Shrinking (s > 1) averages over that area; enlarging
   * is Keys' cubic convolution with a = -0.5 at (i + 0.5) * s - 0.5, the outermost pixel repeated beyond the
   * border (Keys 1981, equation 4).
   */
  void PlanSmooth(int64_t input, int64_t scaled, int64_t first, int64_t count);
  /** Counts the input from its first pixel that is used on, and only to the last one. @returns that pixel */
  int64_t Narrow();

  int64_t input() const { return input_; }
  int64_t output() const { return static_cast<int64_t>(starts_.size()); }
  int64_t taps() const { return taps_; }
  int32_t start(int64_t i) const { return starts_[static_cast<size_t>(i)]; }
  float weight(int64_t tap, int64_t i) const { return weights_[static_cast<size_t>(tap * output() + i)]; }

 private:
  void Begin(int64_t input, int64_t output, int64_t taps);
  float& WeightOf(int64_t pixel, int64_t i);

  int64_t input_ = 0;
  int64_t taps_ = 0;
  std::vector<int32_t> starts_;
  std::vector<float> weights_;
};

/** Rows and columns of one rectangle, three interleaved colours. Keeps its memory from one plan to the next.
 */
class Resampler {
 public:
  /** To be called when both axes have been planned. */
  void Plan();
  ResampleAxis& rows() { return rows_; }
  ResampleAxis& columns() { return columns_; }
  /** Row `row` of the output, [columns * 3], of a rectangle whose first value is at `from`. */
  void Row(const uint8_t* from, int64_t stride, int64_t row, float* out);
  void Row(const float* from, int64_t stride, int64_t row, float* out);
  /** The same of `from - less`, at the price of little more than one of them. */
  void DifferenceRow(const uint8_t* from, const float* less, int64_t stride, int64_t row, float* out);

 private:
  /** narrowed_ += sign * the weighted rows. */
  template <typename T>
  void AddRows(const T* from, int64_t stride, int64_t row, float sign);
  void Clear();
  void Columns(float* out) const;
  void PlanColumns();

  ResampleAxis rows_, columns_;
  // The columns' weights, one for each value of a row, and where in the row the first tap of it is.
  std::vector<float> column_weights_;
  std::vector<int32_t> column_starts_;
  std::vector<float> narrowed_;
};

}  // namespace alexnet
