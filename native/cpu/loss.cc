// Softmax, cross-entropy on logits, and what accuracies are made of.
// Invariant: rows are independent; exponentials are of differences to the row's maximum, so nothing
// overflows.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

/** x as rows of its last dimension. */
struct Rows {
  int64_t count, width;

  explicit Rows(const Shape& shape) : count(ElementCount(shape) / shape.back()), width(shape.back()) {}
};

/** Writes softmax(x) and returns log(sum(exp(x - max))) + max. NaN in, NaN out. */
double SoftmaxRow(const float* x, float* y, int64_t width) {
  const float maximum = *std::max_element(x, x + width);
  double sum = 0;
  for (int64_t i = 0; i < width; ++i) {
    y[i] = std::exp(x[i] - maximum);
    sum += y[i];
  }
  const auto scale = static_cast<float>(1 / sum);
  for (int64_t i = 0; i < width; ++i) y[i] *= scale;
  return std::log(sum) + maximum;
}

void CheckLabels(const int32_t* labels, const Rows& rows) {
  for (int64_t i = 0; i < rows.count; ++i) {
    Check(labels[i] >= 0 && labels[i] < rows.width, "label ", labels[i], " at position ", i,
          " is not one of the ", rows.width, " classes (0 to ", rows.width - 1, ")");
  }
}

constexpr int64_t kRowsPerThread = 16;

/** Sum of target * x, where the target is 1 - smoothing for the label and smoothing / width for each class.
 */
double TargetScore(const float* x, int32_t label, int64_t width, double smoothing) {
  if (smoothing == 0) return x[label];
  const double sum = std::accumulate(x, x + width, 0.0);
  return (1 - smoothing) * x[label] + smoothing * sum / static_cast<double>(width);
}

}  // namespace

void SoftmaxForward(CpuBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const Buffer x = Plain(backend, *call.inputs[0]);
  float* const y = backend.CreatePlain(*call.outputs[0]).floats();
  ParallelFor(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i)
      SoftmaxRow(x.floats() + i * rows.width, y + i * rows.width, rows.width);
  });
}

void SoftmaxBackward(CpuBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const Buffer y = Plain(backend, *call.inputs[0]), dy = Plain(backend, *call.inputs[1]);
  float* const dx = backend.CreatePlain(*call.outputs[0]).floats();
  ParallelFor(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * rows.width; i < end * rows.width; i += rows.width) {
      const float *p = y.floats() + i, *g = dy.floats() + i;
      double dot = 0;
      for (int64_t c = 0; c < rows.width; ++c) dot += static_cast<double>(p[c]) * g[c];
      for (int64_t c = 0; c < rows.width; ++c) dx[i + c] = p[c] * (g[c] - static_cast<float>(dot));
    }
  });
}

void CrossEntropyForward(CpuBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const Buffer logits = Plain(backend, *call.inputs[0]), label_buffer = Plain(backend, *call.inputs[1]);
  const auto* labels = static_cast<const int32_t*>(label_buffer.data());
  CheckLabels(labels, rows);
  float* const probabilities = backend.CreatePlain(*call.outputs[1]).floats();
  const double smoothing = call.Number("smoothing");
  std::vector<double> losses(static_cast<size_t>(rows.count));
  ParallelFor(rows.count, kRowsPerThread, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const float* x = logits.floats() + i * rows.width;
      losses[i] = SoftmaxRow(x, probabilities + i * rows.width, rows.width) -
                  TargetScore(x, labels[i], rows.width, smoothing);
    }
  });
  const double total = std::accumulate(losses.begin(), losses.end(), 0.0);
  *backend.CreatePlain(*call.outputs[0]).floats() =
      static_cast<float>(total / static_cast<double>(rows.count));
}

void CrossEntropyBackward(CpuBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const Buffer probabilities = Plain(backend, *call.inputs[0]),
               label_buffer = Plain(backend, *call.inputs[1]);
  const auto* labels = static_cast<const int32_t*>(label_buffer.data());
  CheckLabels(labels, rows);
  float* const dlogits = backend.CreatePlain(*call.outputs[0]).floats();
  const float scale = 1.f / static_cast<float>(rows.count);
  const double smoothing = call.Number("smoothing");
  const auto hit = static_cast<float>((1 - smoothing) * scale),
             share = static_cast<float>(smoothing * scale / static_cast<double>(rows.width));
  for (int64_t i = 0; i < rows.count; ++i) {
    const float* p = probabilities.floats() + i * rows.width;
    float* d = dlogits + i * rows.width;
    for (int64_t c = 0; c < rows.width; ++c) d[c] = p[c] * scale - share;
    d[labels[i]] -= hit;
  }
}

// How many classes come before the true one: 0 is top-1 correct, below 5 is top-5 correct. Ties go to the
// lower index, as in a stable sort; a row with a NaN has no order and counts as wrong.
void LabelRank(CpuBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const Buffer logits = Plain(backend, *call.inputs[0]), label_buffer = Plain(backend, *call.inputs[1]);
  const auto* labels = static_cast<const int32_t*>(label_buffer.data());
  CheckLabels(labels, rows);
  auto* const ranks = static_cast<int32_t*>(backend.CreatePlain(*call.outputs[0]).data());
  for (int64_t i = 0; i < rows.count; ++i) {
    const float* x = logits.floats() + i * rows.width;
    const float own = x[labels[i]];
    int64_t before = 0;
    for (int64_t c = 0; c < labels[i]; ++c) before += x[c] >= own;
    for (int64_t c = labels[i] + 1; c < rows.width; ++c) before += x[c] > own;
    const bool ordered = std::none_of(x, x + rows.width, [](float value) { return std::isnan(value); });
    ranks[i] = static_cast<int32_t>(ordered ? before : rows.width);
  }
}

void TopK(CpuBackend& backend, OpCall& call) {
  const Rows rows(call.inputs[0]->shape);
  const int64_t k = call.Integer("k");
  const Buffer x = Plain(backend, *call.inputs[0]);
  float* const values = backend.CreatePlain(*call.outputs[0]).floats();
  auto* const indices = static_cast<int32_t*>(backend.CreatePlain(*call.outputs[1]).data());
  std::vector<int32_t> order(static_cast<size_t>(rows.width));
  for (int64_t i = 0; i < rows.count; ++i) {
    const float* row = x.floats() + i * rows.width;
    // NaN would break the order's laws; it counts as the smallest value.
    const auto key = [row](int32_t c) {
      return std::isnan(row[c]) ? -std::numeric_limits<float>::infinity() : row[c];
    };
    std::iota(order.begin(), order.end(), 0);
    std::partial_sort(order.begin(), order.begin() + k, order.end(),
                      [&](int32_t a, int32_t b) { return key(a) > key(b) || (key(a) == key(b) && a < b); });
    for (int64_t j = 0; j < k; ++j) {
      values[i * k + j] = row[order[static_cast<size_t>(j)]];
      indices[i * k + j] = order[static_cast<size_t>(j)];
    }
  }
}

}  // namespace alexnet::cpu
