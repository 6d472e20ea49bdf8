// Activations as rows of pixels whose channels lie in blocks: what own kernels read and write.
// Invariant: describes nChw16c, nChw8c, nhwc and nchw without padding, and nothing else.
#pragma once

#include <vector>

#include "cpu/backend.h"
#include "cpu/rows.h"

namespace alexnet::cpu {

struct Pixels {
  int64_t images, channels, height, width;
  int64_t block;  // channels that lie together: all (channels-last), 16, 8, or 1 (row-major)

  /** Elements from a pixel to the next in its row, and from a row to the next. */
  int64_t pixel() const { return block; }
  int64_t row() const { return width * block; }
  /** First element of a row: that of the first pixel's first channel. */
  int64_t Offset(int64_t image, int64_t row_index) const {
    return image * channels * height * width + row_index * row();
  }
  /** From a pixel's first channel to another. */
  int64_t Channel(int64_t channel) const {
    return channel / block * block * height * width + channel % block;
  }
  /** From a pixel's first channel to its vectors of VectorLanes() channels each, in the order of channels. */
  std::vector<int64_t> Vectors() const;
  /** Whether channels come in whole vectors, each of which lies together. */
  bool ComeInVectors() const;
};

/** Channels that lie together, as in Pixels; 0: the layout is none of those. */
int64_t ChannelBlock(const dnnl::memory::desc& layout);

/** @throws Error for another layout */
Pixels PixelsOf(const dnnl::memory::desc& layout);

/** The order of `layout` for other extents and another type; row-major where it has no name. */
dnnl::memory::desc InOrderOf(const dnnl::memory::desc& layout, const Shape& shape,
                             dnnl::memory::data_type type);

/** The tensor as it lies, or channels-last if it is row-major and its channels then come in whole vectors. */
Buffer InVectors(CpuBackend& backend, const Tensor& tensor);

/** Lists an op of own kernels among the plans: by rows in vectors, or the way that any layout can go. */
void NotePlan(CpuBackend& backend, const OpCall& call, const dnnl::memory::desc& layout, bool by_rows);

}  // namespace alexnet::cpu
