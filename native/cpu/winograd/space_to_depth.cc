// Rearranging pictures and weights into blocks.
// Invariant: every element of what is made is written, with zero where nothing belongs.
#include "cpu/winograd/space_to_depth.h"

#include <cstring>

#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

using dnnl::memory;

/** Rows of blocks, one image after the other. `T`: an unsigned integer of the elements' size. */
template <typename T, int kStride>
void BlockRows(const ConvolutionShape& strided, const ConvolutionShape& blocked, int64_t begin, int64_t end,
               const T* from, T* to) {
  const int64_t channels = strided.groups * strided.inputs, pixel = channels * kStride * kStride;
  for (int64_t row = begin; row < end; ++row) {
    const int64_t image = row / blocked.height, top = row % blocked.height * kStride - strided.pad_top;
    T* const target = to + row * blocked.width * pixel;
    std::memset(target, 0, static_cast<size_t>(blocked.width * pixel) * sizeof(T));
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t i = 0; i < kStride; ++i) {
        const int64_t y = top + i;
        if (y < 0 || y >= strided.height) continue;
        const T* const source = from + ((image * channels + channel) * strided.height + y) * strided.width;
        T* block = target + (channel * kStride + i) * kStride;
        for (int64_t column = 0; column < blocked.width; ++column, block += pixel) {
          const int64_t x = column * kStride - strided.pad_left;
          if (x >= 0 && x + kStride <= strided.width) {
            std::memcpy(block, source + x, sizeof(T) * kStride);
            continue;
          }
          for (int64_t j = 0; j < kStride; ++j) {
            if (x + j >= 0 && x + j < strided.width) block[j] = source[x + j];
          }
        }
      }
    }
  }
}

template <typename T>
void BlockImages(const ConvolutionShape& strided, const ConvolutionShape& blocked, const T* from, T* to) {
  ParallelFor(strided.images * blocked.height, 1, [&](int64_t begin, int64_t end) {
    switch (strided.stride_h) {
      case 2:
        return BlockRows<T, 2>(strided, blocked, begin, end, from, to);
      case 3:
        return BlockRows<T, 3>(strided, blocked, begin, end, from, to);
      default:
        return BlockRows<T, 4>(strided, blocked, begin, end, from, to);
    }
  });
}

}  // namespace

std::optional<SpaceToDepth> SpaceToDepth::For(const ConvolutionShape& strided) {
  const int64_t stride = strided.stride_h;
  if (stride != strided.stride_w || stride < 2 || stride > 4) return std::nullopt;
  ConvolutionShape blocked = strided;
  blocked.inputs *= stride * stride;
  blocked.taps_h = (strided.taps_h + stride - 1) / stride;
  blocked.taps_w = (strided.taps_w + stride - 1) / stride;
  blocked.height = strided.output_height + blocked.taps_h - 1;
  blocked.width = strided.output_width + blocked.taps_w - 1;
  blocked.stride_h = blocked.stride_w = 1;
  blocked.pad_top = blocked.pad_left = 0;
  return SpaceToDepth(strided, blocked);
}

SpaceToDepth::SpaceToDepth(const ConvolutionShape& strided, const ConvolutionShape& blocked)
    : strided_(strided), blocked_(blocked) {}

Buffer SpaceToDepth::Images(CpuBackend& backend, const Tensor& x) const {
  const Buffer from = Plain(backend, x);
  const memory::dims shape = {blocked_.images, blocked_.groups * blocked_.inputs, blocked_.height,
                              blocked_.width};
  const Buffer to = backend.Allocate({shape, from.layout.get_data_type(), memory::format_tag::nhwc});
  if (x.dtype == DType::kFloat32) {
    BlockImages(strided_, blocked_, static_cast<const uint32_t*>(from.data()),
                static_cast<uint32_t*>(to.data()));
  } else {
    BlockImages(strided_, blocked_, static_cast<const uint16_t*>(from.data()),
                static_cast<uint16_t*>(to.data()));
  }
  return to;
}

template <typename Visit>
void SpaceToDepth::ForEachWeight(const Visit& visit) const {
  const int64_t stride = strided_.stride_h, outputs = strided_.groups * strided_.outputs;
  int64_t index = 0;
  for (int64_t output = 0; output < outputs; ++output) {
    for (int64_t input = 0; input < strided_.inputs; ++input) {
      for (int64_t y = 0; y < strided_.taps_h; ++y) {
        for (int64_t x = 0; x < strided_.taps_w; ++x, ++index) {
          const int64_t channel = (input * stride + y % stride) * stride + x % stride;
          const int64_t filter = (output * blocked_.inputs + channel) * blocked_.taps_h;
          visit(index, (filter + y / stride) * blocked_.taps_w + x / stride);
        }
      }
    }
  }
}

Buffer SpaceToDepth::Weights(CpuBackend& backend, const Buffer& w) const {
  const memory::dims shape = {blocked_.groups * blocked_.outputs, blocked_.inputs, blocked_.taps_h,
                              blocked_.taps_w};
  Buffer blocked = backend.Allocate(PlainLayout(shape, memory::data_type::f32));
  std::memset(blocked.data(), 0, blocked.layout.get_size());
  ForEachWeight([&](int64_t from, int64_t to) { blocked.floats()[to] = w.floats()[from]; });
  return blocked;
}

void SpaceToDepth::UnblockWeights(const float* blocked, float* dw) const {
  ForEachWeight([&](int64_t to, int64_t from) { dw[to] = blocked[from]; });
}

}  // namespace alexnet::cpu
