// What is done to one picture: a row of the op's records, as 22 floats.
// Invariant: after CheckRecord, rectangles are integers inside what they are cut from, and all values finite.
#pragma once

#include <cstdint>

namespace alexnet::cpu {

/** The order of the fields is that of lib/data/augmentation/record.ts. */
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

struct AugmentSizes {
  int64_t pictures, views, height, width, crop;
};

/** @throws Error that names the picture and the values */
void CheckRecord(const AugmentRecord& record, int64_t index, const AugmentSizes& sizes);

}  // namespace alexnet::cpu
