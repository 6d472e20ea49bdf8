// What kernels are given beside pointers and numbers: plain structs, read by host and device compilers alike.
// Invariant: no vendor header and no constructor; a struct is copied into a launch byte by byte.
#pragma once

#include <cstdint>

namespace alexnet::cuda {

/** Windows of pooling over pictures [N, H, W, C]. */
struct PoolGeometry {
  int32_t images, channels, height, width, out_height, out_width;
  int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left;
  int32_t clipped;  // average: divide by the pixels of the picture alone
};

/** Pictures [N, H, W, C] put into larger or smaller ones, their first pixel at (top, left), which may be
 * outside. */
struct PlaceGeometry {
  int32_t images, channels, height, width, out_height, out_width, top, left;
};

struct LrnArguments {
  int32_t rows, channels;        // pixels of all pictures; channels of a picture
  int32_t group_channels, size;  // the window never leaves a group
  float alpha, beta, k;
};

/** LRN within a channel, on planes [planes, H, W]. */
struct LrnWithinArguments {
  int32_t planes, height, width, size;
  float alpha, beta, k;
};

struct AugmentArguments {
  int32_t records, views, height, width, crop;
  int32_t mean_image;
};

/** A parameter of an update. `low` is its copy for computing, in 16 bits, or null. */
struct SgdEntry {
  float *w, *v;
  const float* dw;
  const float* scale;  // what dw is multiplied by; null: 1; not finite: no update
  uint16_t* low;
  int64_t elements;
  float learning_rate, momentum, weight_decay;
  int32_t torch_form, low_is_bfloat16;
};

/** Kernel arguments have 4 KiB: this is what fits in well. */
constexpr int kSgdBatch = 32;

struct SgdBatch {
  SgdEntry entries[kSgdBatch];
};

}  // namespace alexnet::cuda
