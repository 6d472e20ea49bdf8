// Pictures to network input in one pass: crop, mirror, subtract the mean, divide by the standard deviation,
// convert bytes to float32, interleaved [N, H, W, 3] to planar [N, 3, crop, crop]. Invariant: the mean
// belongs to positions of the stored picture, so it is cropped and mirrored with it.
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

struct Crop {
  int32_t top, left, mirror;
};

struct Pictures {
  const uint8_t* images;
  const float* mean;  // [3] or [H, W, 3]
  const float* inverse_std;
  bool mean_image;
  int64_t height, width, side;
};

/** One row of a crop as floats, interleaved; mean colours repeat every three values. */
ALEXNET_EVERY_ISA void NormaliseRow(const uint8_t* in, const float* mean, bool mean_image, float* out,
                                    int64_t count) {
  if (mean_image) {
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) - mean[i];
    return;
  }
  const float red = mean[0], green = mean[1], blue = mean[2];
  for (int64_t i = 0; i < count; i += 3) {
    out[i] = static_cast<float>(in[i]) - red;
    out[i + 1] = static_cast<float>(in[i + 1]) - green;
    out[i + 2] = static_cast<float>(in[i + 2]) - blue;
  }
}

ALEXNET_EVERY_ISA void SplitRow(const float* row, float* out, int64_t side, float scale, bool mirror) {
  if (mirror) {
    for (int64_t i = 0; i < side; ++i) out[i] = row[3 * (side - 1 - i)] * scale;
  } else {
    for (int64_t i = 0; i < side; ++i) out[i] = row[3 * i] * scale;
  }
}

void AugmentOne(const Pictures& pictures, int64_t image, const Crop& crop, float* row, float* out) {
  const int64_t side = pictures.side;
  for (int64_t h = 0; h < side; ++h) {
    const int64_t pixel = (crop.top + h) * pictures.width + crop.left;
    NormaliseRow(pictures.images + (image * pictures.height * pictures.width + pixel) * 3,
                 pictures.mean_image ? pictures.mean + pixel * 3 : pictures.mean, pictures.mean_image, row,
                 side * 3);
    for (int64_t c = 0; c < 3; ++c) {
      SplitRow(row + c, out + (c * side + h) * side, side, pictures.inverse_std[c], crop.mirror != 0);
    }
  }
}

}  // namespace

void Augment(CpuBackend& backend, OpCall& call) {
  const Shape& shape = call.inputs[0]->shape;
  const Buffer images = Plain(backend, *call.inputs[0]), crop_buffer = Plain(backend, *call.inputs[1]);
  const Buffer mean = Plain(backend, *call.inputs[2]), std = Plain(backend, *call.inputs[3]);
  const float inverse_std[3] = {1.f / std.floats()[0], 1.f / std.floats()[1], 1.f / std.floats()[2]};
  const int64_t side = call.outputs[0]->shape[2];
  const Pictures pictures = {static_cast<const uint8_t*>(images.data()),
                             mean.floats(),
                             inverse_std,
                             call.inputs[2]->shape.size() == 3,
                             shape[1],
                             shape[2],
                             side};
  const auto* crops = static_cast<const Crop*>(crop_buffer.data());
  for (int64_t i = 0; i < shape[0]; ++i) {
    const Crop& crop = crops[i];
    Check(crop.top >= 0 && crop.left >= 0 && crop.top + side <= shape[1] && crop.left + side <= shape[2],
          "crop ", i, " of ", side, "x", side, " pixels at (", crop.top, ", ", crop.left,
          ") leaves the picture of ", shape[1], "x", shape[2]);
  }
  float* const y = backend.CreatePlain(*call.outputs[0]).floats();
  ParallelFor(shape[0], 1, [&](int64_t begin, int64_t end) {
    std::vector<float> row(static_cast<size_t>(side) * 3);
    for (int64_t i = begin; i < end; ++i)
      AugmentOne(pictures, i, crops[i], row.data(), y + i * 3 * side * side);
  });
}

}  // namespace alexnet::cpu
