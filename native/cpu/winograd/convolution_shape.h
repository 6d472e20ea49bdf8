// The sizes of a convolution.
// Invariant: what is said of an image holds for all, what is said of a group too.
#pragma once

#include <cstdint>

namespace alexnet::cpu {

/** A convolution y = w * x. */
struct ConvolutionShape {
  int64_t images, groups;
  int64_t inputs, outputs;  // channels of a group
  int64_t height, width, output_height, output_width;
  int64_t taps_h, taps_w, stride_h, stride_w, pad_top, pad_left;

  /** That of dx = turned w * dy. */
  ConvolutionShape OfDataGradient() const;
};

}  // namespace alexnet::cpu
