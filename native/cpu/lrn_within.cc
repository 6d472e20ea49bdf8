// Local response normalisation within a channel ("same map", cuda-convnet): the formula of lrn.cc with a
// square window of size x size pixels of the same channel, clipped at the edges.
// Invariant: works on row-major planes, one plane a thread at a time.
#include <cmath>

#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

struct Window {
  int64_t height, width, size;
  float alpha, beta, k;

  Window(const OpCall& call, const Shape& shape)
      : height(shape[2]),
        width(shape[3]),
        size(call.Integer("size")),
        alpha(static_cast<float>(call.Number("alpha"))),
        beta(static_cast<float>(call.Number("beta"))),
        k(static_cast<float>(call.Number("k"))) {}
  int64_t pixels() const { return height * width; }
};

/** out[p] = sum of in over the clipped window around p: along rows into `rows`, then along columns. */
ALEXNET_INLINE void BoxSums(const float* in, float* rows, float* out, Window window) {
  const int64_t half = (window.size - 1) / 2, height = window.height, width = window.width;
  for (int64_t h = 0; h < height; ++h) {
    for (int64_t w = 0; w < width; ++w) {
      float sum = 0.f;
      for (int64_t j = std::max<int64_t>(0, w - half); j <= std::min(width - 1, w + half); ++j)
        sum += in[h * width + j];
      rows[h * width + w] = sum;
    }
  }
  for (int64_t h = 0; h < height; ++h) {
    float* target = out + h * width;
    for (int64_t w = 0; w < width; ++w) target[w] = 0.f;
    for (int64_t j = std::max<int64_t>(0, h - half); j <= std::min(height - 1, h + half); ++j) {
      for (int64_t w = 0; w < width; ++w) target[w] += rows[j * width + w];
    }
  }
}

/** s = k + alpha * windowed sum of x^2, for one plane. */
void Denominators(const float* x, float* squares, float* rows, float* s, const Window& window) {
  for (int64_t p = 0; p < window.pixels(); ++p) squares[p] = x[p] * x[p];
  EveryIsa<BoxSums>(squares, rows, s, window);
  for (int64_t p = 0; p < window.pixels(); ++p) s[p] = window.k + window.alpha * s[p];
}

}  // namespace

void LrnWithinForward(CpuBackend& backend, OpCall& call) {
  const Shape& shape = call.inputs[0]->shape;
  const Window window(call, shape);
  const Buffer x = Plain(backend, *call.inputs[0]);
  const FloatBuffer source(x), target(backend.CreatePlain(*call.outputs[0]));
  const int64_t pixels = window.pixels();
  ParallelFor(shape[0] * shape[1], 1, [&](int64_t begin, int64_t end) {
    std::vector<float> squares(static_cast<size_t>(pixels)), rows(squares.size()), s(squares.size());
    std::vector<float> widened(squares.size()), out(squares.size());
    for (int64_t plane = begin; plane < end; ++plane) {
      const float* in = source.Read(plane * pixels, pixels, widened.data());
      float* y = target.Target(plane * pixels, out.data());
      Denominators(in, squares.data(), rows.data(), s.data(), window);
      for (int64_t p = 0; p < pixels; ++p) y[p] = in[p] * std::pow(s[p], -window.beta);
      target.Written(plane * pixels, pixels, y);
    }
  });
}

void LrnWithinBackward(CpuBackend& backend, OpCall& call) {
  const Shape& shape = call.inputs[0]->shape;
  const Window window(call, shape);
  const Buffer x = Plain(backend, *call.inputs[0]);
  const Buffer dy = Plain(backend, *call.inputs[1]);
  const FloatBuffer source(x), gradients(dy), target(backend.CreatePlain(*call.outputs[0]));
  const int64_t pixels = window.pixels();
  ParallelFor(shape[0] * shape[1], 1, [&](int64_t begin, int64_t end) {
    std::vector<float> ratios(static_cast<size_t>(pixels)), rows(ratios.size()), s(ratios.size()),
        powers(s.size()), widened_x(s.size()), widened_dy(s.size()), out(s.size());
    for (int64_t plane = begin; plane < end; ++plane) {
      const float* in = source.Read(plane * pixels, pixels, widened_x.data());
      const float* gradient = gradients.Read(plane * pixels, pixels, widened_dy.data());
      float* dx = target.Target(plane * pixels, out.data());
      Denominators(in, ratios.data(), rows.data(), s.data(), window);
      for (int64_t p = 0; p < pixels; ++p) {
        powers[p] = std::pow(s[p], -window.beta);
        ratios[p] = gradient[p] * in[p] * powers[p] / s[p];
      }
      EveryIsa<BoxSums>(ratios.data(), rows.data(), s.data(), window);
      for (int64_t p = 0; p < pixels; ++p) {
        dx[p] = gradient[p] * powers[p] - 2.f * window.alpha * window.beta * in[p] * s[p];
      }
      target.Written(plane * pixels, pixels, dx);
    }
  });
}

}  // namespace alexnet::cpu
