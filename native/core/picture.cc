// Upright RGB first, in one pass over the raster; then rows of the cut.
// Invariant: a picture that is not scaled keeps its bytes.
#include "core/picture.h"

#include <algorithm>
#include <vector>

#include "core/every_isa.h"
#include "core/resample.h"

namespace alexnet {
namespace {

/** Where upright pixels are in a raster: pixel (x, y) is at first + x * column + y * row. */
struct Walk {
  int64_t width, height;
  int64_t first, column, row;
};

Walk UprightWalk(const Raster& raster) {
  const int64_t turned = raster.orientation - 1;
  // Upright pixel (x, y) is stored pixel (x, y), after the axes were swapped, then counted from the far ends.
  const bool swap = turned >= 4;
  const bool flip_x = turned == 1 || turned == 2 || turned == 6 || turned == 7;
  const bool flip_y = turned == 2 || turned == 3 || turned == 5 || turned == 6;
  const int64_t along_x = raster.channels * (flip_x ? -1 : 1);
  const int64_t along_y = raster.channels * raster.width * (flip_y ? -1 : 1);
  const int64_t first =
      raster.channels * ((flip_x ? raster.width - 1 : 0) + (flip_y ? raster.width * (raster.height - 1) : 0));
  if (swap) return {raster.height, raster.width, first, along_y, along_x};
  return {raster.width, raster.height, first, along_x, along_y};
}

uint8_t OverWhite(int value, int alpha) {
  return static_cast<uint8_t>((value * alpha + 255 * (255 - alpha) + 127) / 255);
}

ALEXNET_INLINE bool IsOpaque(const uint8_t* rgba, int64_t pixels) {
  uint8_t all = 255;
  for (int64_t i = 0; i < pixels; ++i) all &= rgba[4 * i + 3];
  return all == 255;
}

void PackColours(const uint8_t* from, int64_t step, uint8_t* out, int64_t pixels) {
  for (int64_t i = 0; i < pixels; ++i, from += step, out += 3) {
    out[0] = from[0];
    out[1] = from[1];
    out[2] = from[2];
  }
}

void PackOverWhite(const uint8_t* from, int64_t step, uint8_t* out, int64_t pixels) {
  for (int64_t i = 0; i < pixels; ++i, from += step, out += 3) {
    for (int c = 0; c < 3; ++c) out[c] = OverWhite(from[c], from[3]);
  }
}

/** Upright RGB. The raster itself where it is that already; `memory` holds it otherwise. */
const uint8_t* Upright(const Raster& raster, const Walk& walk, std::vector<uint8_t>& memory) {
  if (raster.channels == 3 && raster.orientation == 1) return raster.data;
  const bool opaque = raster.channels == 3 || EveryIsa<IsOpaque>(raster.data, raster.width * raster.height);
  const auto pack = opaque ? PackColours : PackOverWhite;
  memory.resize(static_cast<size_t>(walk.width * walk.height * 3));
  for (int64_t y = 0; y < walk.height; ++y) {
    pack(raster.data + walk.first + y * walk.row, walk.column, memory.data() + y * walk.width * 3,
         walk.width);
  }
  return memory.data();
}

ALEXNET_INLINE void ToBytes(const float* in, uint8_t* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    out[i] = static_cast<uint8_t>(std::min(std::max(in[i] + 0.5f, 0.f), 255.f));
  }
}

}  // namespace

void ScalePicture(const Raster& raster, const PictureCut& cut, uint8_t* out) {
  const Walk walk = UprightWalk(raster);
  std::vector<uint8_t> memory;
  const uint8_t* const pixels = Upright(raster, walk, memory);
  const int64_t stride = walk.width * 3, values = cut.width * 3;
  if (cut.scaled_width == walk.width && cut.scaled_height == walk.height) {
    for (int64_t y = 0; y < cut.height; ++y) {
      std::copy_n(pixels + (cut.top + y) * stride + cut.left * 3, values, out + y * values);
    }
    return;
  }
  Resampler resampler;
  resampler.rows().PlanSmooth(walk.height, cut.scaled_height, cut.top, cut.height);
  resampler.columns().PlanSmooth(walk.width, cut.scaled_width, cut.left, cut.width);
  const int64_t first = resampler.columns().Narrow();
  resampler.Plan();
  std::vector<float> row(static_cast<size_t>(values));
  for (int64_t y = 0; y < cut.height; ++y) {
    resampler.Row(pixels + first * 3, stride, y, row.data());
    EveryIsa<ToBytes>(row.data(), out + y * values, values);
  }
}

}  // namespace alexnet
