// A decoded picture made upright, opaque RGB, scaled, and cut: what stands in a store, or goes into a batch.
// Invariant: only the pixels of the cut are computed; sums are kept in float and rounded once, half up.
#pragma once

#include <cstdint>

namespace alexnet {

/** A picture as a codec gives it: [height, width, channels]; 3: R G B, 4: R G B A, not premultiplied. */
struct Raster {
  const uint8_t* data;
  int64_t width, height, channels;
  int64_t orientation;  // of EXIF (2.32, tag 0x0112): 1..8; 5..8 swap width and height
};

/** The upright picture is scaled to scaled_width x scaled_height; this part of that is kept. */
struct PictureCut {
  int64_t scaled_width, scaled_height;
  int64_t left, top, width, height;
};

/**
 * Composites over white, applies the orientation, scales as ResampleAxis::PlanSmooth does, and cuts.
 * @param out [cut.height, cut.width, 3]
 */
void ScalePicture(const Raster& raster, const PictureCut& cut, uint8_t* out);

}  // namespace alexnet
