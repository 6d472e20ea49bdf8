// Each direction as one matrix product a group, its operands gathered through tables of offsets.
// Invariant: the three directions read a window's geometry from the same two tables.
#include "convolution.h"

#include <vector>

#include "multiply.h"

namespace simulation {
namespace {

/** A place in a picture: where its first element is, and its row and column. */
struct Place {
  int64_t offset;
  int32_t h, w;
};

/** The pixels of all pictures of y, each with the corner of its window in x. */
std::vector<Place> WindowCorners(const ConvolutionProblem& problem) {
  const auto& [x, w, y, window] = problem;
  std::vector<Place> corners;
  corners.reserve(static_cast<size_t>(y.dims[0] * y.dims[2] * y.dims[3]));
  for (int64_t n = 0; n < y.dims[0]; ++n) {
    for (int64_t i = 0; i < y.dims[2]; ++i) {
      for (int64_t j = 0; j < y.dims[3]; ++j) {
        const int64_t h = i * window.stride_h - window.pad_h, v = j * window.stride_w - window.pad_w;
        corners.push_back({x.Offset(n, 0, h, v), static_cast<int32_t>(h), static_cast<int32_t>(v)});
      }
    }
  }
  return corners;
}

/** The pixels of all pictures of a tensor. */
std::vector<Place> Pixels(const Tensor4& tensor) {
  std::vector<Place> pixels;
  for (int64_t n = 0; n < tensor.dims[0]; ++n) {
    for (int64_t h = 0; h < tensor.dims[2]; ++h) {
      for (int64_t w = 0; w < tensor.dims[3]; ++w) {
        pixels.push_back({tensor.Offset(n, 0, h, w), static_cast<int32_t>(h), static_cast<int32_t>(w)});
      }
    }
  }
  return pixels;
}

/** Elements of a window in the order (r, s, c): their offsets in `tensor`, and how far they are from its
 * corner. */
std::vector<Place> WindowElements(const ConvolutionProblem& problem, const Tensor4& tensor,
                                  int64_t channels) {
  const auto& [x, w, y, window] = problem;
  std::vector<Place> elements;
  for (int64_t r = 0; r < w.dims[2]; ++r) {
    for (int64_t s = 0; s < w.dims[3]; ++s) {
      const int64_t h = r * window.dilation_h, v = s * window.dilation_w;
      for (int64_t c = 0; c < channels; ++c) {
        elements.push_back({tensor.Offset(0, c, h, v), static_cast<int32_t>(h), static_cast<int32_t>(v)});
      }
    }
  }
  return elements;
}

/** Offsets of weights in the order of WindowElements, along channels (dim 1) or filters (dim 0). */
std::vector<int64_t> FilterOffsets(const Tensor4& w, int64_t channels, int dim) {
  std::vector<int64_t> offsets;
  for (int64_t r = 0; r < w.dims[2]; ++r) {
    for (int64_t s = 0; s < w.dims[3]; ++s) {
      for (int64_t c = 0; c < channels; ++c) offsets.push_back(w.Offset(0, 0, r, s) + c * w.strides[dim]);
    }
  }
  return offsets;
}

bool Inside(const Tensor4& x, int32_t h, int32_t w) {
  return h >= 0 && w >= 0 && h < x.dims[2] && w < x.dims[3];
}

}  // namespace

int64_t Tensor4::Span() const {
  int64_t last = 0;
  for (int i = 0; i < 4; ++i) last += (dims[i] - 1) * strides[i];
  return last + 1;
}

void ConvolveForward(const ConvolutionProblem& problem, const void* x, const void* w, void* y,
                     const Epilogue& epilogue) {
  const int64_t channels = problem.w.dims[1], filters = problem.w.dims[0] / problem.groups();
  const auto corners = WindowCorners(problem);
  const auto elements = WindowElements(problem, problem.x, channels);
  const auto weights = FilterOffsets(problem.w, channels, 1);
  const auto pixels = Pixels(problem.y);
  const int64_t image = problem.y.dims[2] * problem.y.dims[3];
  WithType(problem.x.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t g = 0; g < problem.groups(); ++g) {
      const T* input = static_cast<const T*>(x) + g * channels * problem.x.strides[1];
      const T* filter = static_cast<const T*>(w) + g * filters * problem.w.strides[0];
      const Extents extents{static_cast<int64_t>(corners.size()), filters,
                            static_cast<int64_t>(elements.size())};
      Multiply(
          extents,
          [&](int64_t i, int64_t k) {
            const Place &corner = corners[i], &element = elements[k];
            if (!Inside(problem.x, corner.h + element.h, corner.w + element.w)) return 0.0;
            return ToDouble(input[corner.offset + element.offset]);
          },
          [&](int64_t k, int64_t j) { return ToDouble(filter[weights[k] + j * problem.w.strides[0]]); },
          [&](int64_t i, int64_t j, double sum) {
            const int64_t c = g * filters + j;
            const double value = epilogue(sum, i / image, c, pixels[i].h, pixels[i].w);
            Write(problem.y.type, y, pixels[i].offset + c * problem.y.strides[1], value);
          });
    }
  });
}

void ConvolveBackwardData(const ConvolutionProblem& problem, const void* w, const void* dy, void* dx) {
  const int64_t channels = problem.w.dims[1], filters = problem.w.dims[0] / problem.groups();
  const Window& window = problem.window;
  const Tensor4& y = problem.y;
  const auto pixels = Pixels(problem.x);
  // Where a pixel of x is element (r, s) of a window, that window's corner is (r, s) before it.
  const auto elements = WindowElements(problem, problem.x, filters);
  const auto weights = FilterOffsets(problem.w, filters, 0);
  const int64_t image = problem.x.dims[2] * problem.x.dims[3];
  WithType(y.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t g = 0; g < problem.groups(); ++g) {
      const T* gradient = static_cast<const T*>(dy) + g * filters * y.strides[1];
      const T* filter = static_cast<const T*>(w) + g * filters * problem.w.strides[0];
      const Extents extents{static_cast<int64_t>(pixels.size()), channels,
                            static_cast<int64_t>(elements.size())};
      Multiply(
          extents,
          [&](int64_t i, int64_t k) {
            const int64_t h = pixels[i].h + window.pad_h - elements[k].h;
            const int64_t v = pixels[i].w + window.pad_w - elements[k].w;
            if (h < 0 || v < 0 || h % window.stride_h != 0 || v % window.stride_w != 0) return 0.0;
            const int64_t row = h / window.stride_h, column = v / window.stride_w;
            if (row >= y.dims[2] || column >= y.dims[3]) return 0.0;
            return ToDouble(gradient[y.Offset(i / image, k % filters, row, column)]);
          },
          [&](int64_t k, int64_t j) { return ToDouble(filter[weights[k] + j * problem.w.strides[1]]); },
          [&](int64_t i, int64_t j, double sum) {
            const int64_t c = g * channels + j;
            Write(problem.x.type, dx, pixels[i].offset + c * problem.x.strides[1], sum);
          });
    }
  });
}

void ConvolveBackwardFilter(const ConvolutionProblem& problem, const void* x, const void* dy, void* dw) {
  const int64_t channels = problem.w.dims[1], filters = problem.w.dims[0] / problem.groups();
  const auto corners = WindowCorners(problem);
  const auto elements = WindowElements(problem, problem.x, channels);
  const auto weights = FilterOffsets(problem.w, channels, 1);
  const auto pixels = Pixels(problem.y);
  WithType(problem.x.type, [&](auto type) {
    using T = decltype(type);
    for (int64_t g = 0; g < problem.groups(); ++g) {
      const T* input = static_cast<const T*>(x) + g * channels * problem.x.strides[1];
      const T* gradient = static_cast<const T*>(dy) + g * filters * problem.y.strides[1];
      const Extents extents{filters, static_cast<int64_t>(elements.size()),
                            static_cast<int64_t>(pixels.size())};
      Multiply(
          extents,
          [&](int64_t i, int64_t k) {
            return ToDouble(gradient[pixels[k].offset + i * problem.y.strides[1]]);
          },
          [&](int64_t k, int64_t j) {
            const Place &corner = corners[k], &element = elements[j];
            if (!Inside(problem.x, corner.h + element.h, corner.w + element.w)) return 0.0;
            return ToDouble(input[corner.offset + element.offset]);
          },
          [&](int64_t i, int64_t j, double sum) {
            Write(problem.w.type, dw, weights[j] + (g * filters + i) * problem.w.strides[0], sum);
          });
    }
  });
}

}  // namespace simulation
