// What the op `augment` is told: a record for each output, and where each picture lies.
// Invariant: after the checks, every rectangle and frame is made of whole pixels inside what it is cut from.
//
// This is the whole format, for every backend. Its other half is lib/data/augmentation/record.ts.
//
// Inputs: images, records, mean, std, frames (optional).
//   images   uint8 [N, H, W, 3], pictures of one size; with frames: uint8 [bytes], pictures of any sizes
//   records  float32 [N * views, 22]: an AugmentRecord each; record r is for picture r / views
//   mean     float32 [3], or [H, W, 3] without frames: it is cut, resized and mirrored with the picture
//   std      float32 [3]
//   frames   int32 [N, 3]: an AugmentFrame each
// Output: float32 [N * views, 3, crop, crop] = (colour * sample + offset - mean) / std, 0 where erased.
#pragma once

#include <cstdint>

namespace alexnet {

struct AugmentRecord {
  float top, left, height, width;  // of the source rectangle, in pixels of the stored picture
  float mirror, flip;              // left-right, top-bottom: 0 or 1
  float colour[9], offset[3];      // RGB: colour * pixel + offset, on the scale 0..255
  float erase_top, erase_left, erase_height, erase_width;  // in output pixels; a size of 0: nothing is erased

  bool ColourIsIdentity() const {
    for (int i = 0; i < 9; ++i) {
      if (colour[i] != (i % 4 == 0 ? 1.f : 0.f)) return false;
    }
    return true;
  }
};
static_assert(sizeof(AugmentRecord) == 22 * sizeof(float));

/** Where a picture lies: [height, width, 3] from byte `offset` of the images on. */
struct AugmentFrame {
  int32_t offset, height, width;
};
static_assert(sizeof(AugmentFrame) == 3 * sizeof(int32_t));

/** @throws Error that names the picture, if it is not inside the `bytes` of the images */
void CheckFrame(const AugmentFrame& frame, int64_t picture, int64_t bytes);

/** Where a record stands, and what its rectangles must fit into. */
struct AugmentSizes {
  int64_t views;          // of a picture
  int64_t height, width;  // of the record's picture
  int64_t crop;           // side of the output
};

/** @param index of the record @throws Error that names the picture and the values */
void CheckRecord(const AugmentRecord& record, int64_t index, const AugmentSizes& sizes);

}  // namespace alexnet
