// Pictures to network input in one pass: crop, resize, mirror, change colours, subtract the mean, divide by
// the standard deviation, erase. The format is in core/augment_record.h.
// Invariant: a mean picture belongs to positions of the stored picture, so it is cropped, resized and
// mirrored with it.
#include "core/augment_record.h"
#include "core/resample.h"
#include "cpu/kernels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

/** One stored picture: [height, width, 3]. */
struct Picture {
  const uint8_t* pixels;
  int64_t height, width;
};

struct Pictures {
  std::vector<Picture> pictures;
  const float* mean;  // [3] or [H, W, 3]
  bool mean_image;
  float inverse_std[3];
  int64_t crop;
};

/** What a thread works in; rows are interleaved, [crop * 3]. */
struct Scratch {
  explicit Scratch(const Pictures& pictures)
      : samples(static_cast<size_t>(pictures.crop) * 3), mean(samples.size()) {
    // A mean colour is a row that repeats; a mean image's rows replace it.
    for (size_t i = 0; i < mean.size(); ++i) mean[i] = pictures.mean[i % 3];
  }

  std::vector<float> samples, mean;
  Resampler resampler;
};

ALEXNET_INLINE void SubtractBytes(const uint8_t* in, const float* mean, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]) - mean[i];
}

ALEXNET_INLINE void ToFloats(const uint8_t* in, float* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(in[i]);
}

ALEXNET_INLINE void Subtract(float* row, const float* mean, int64_t count) {
  for (int64_t i = 0; i < count; ++i) row[i] -= mean[i];
}

/** Every pixel times the colour matrix, row-major. */
ALEXNET_INLINE void MixColours(float* row, const float* matrix, int64_t pixels) {
  const float m0 = matrix[0], m1 = matrix[1], m2 = matrix[2], m3 = matrix[3], m4 = matrix[4];
  const float m5 = matrix[5], m6 = matrix[6], m7 = matrix[7], m8 = matrix[8];
  for (int64_t i = 0; i < pixels; ++i) {
    const float red = row[3 * i], green = row[3 * i + 1], blue = row[3 * i + 2];
    row[3 * i] = m0 * red + m1 * green + m2 * blue;
    row[3 * i + 1] = m3 * red + m4 * green + m5 * blue;
    row[3 * i + 2] = m6 * red + m7 * green + m8 * blue;
  }
}

/** One colour of a row: the colour's offset costs an addition beside a load, whatever it is. */
ALEXNET_INLINE void SplitRow(const float* row, float* out, int64_t side, float offset, float scale,
                             bool mirror) {
  if (mirror) {
    for (int64_t i = 0; i < side; ++i) out[i] = (row[3 * (side - 1 - i)] + offset) * scale;
  } else {
    for (int64_t i = 0; i < side; ++i) out[i] = (row[3 * i] + offset) * scale;
  }
}

/** One record: where its pixels are, and what is done to them. */
class View {
 public:
  View(const Pictures& pictures, const AugmentRecord& record, const Picture& picture, Scratch& scratch)
      : pictures_(pictures),
        record_(record),
        scratch_(scratch),
        stride_(picture.width * 3),
        first_(static_cast<int64_t>(record.top) * stride_ + static_cast<int64_t>(record.left) * 3),
        image_(picture.pixels + first_),
        resize_(record.height != static_cast<float>(pictures.crop) ||
                record.width != static_cast<float>(pictures.crop)),
        mix_(!record.ColourIsIdentity()) {
    if (!resize_) return;
    scratch.resampler.rows().PlanTriangle(static_cast<int64_t>(record.height), pictures.crop);
    scratch.resampler.columns().PlanTriangle(static_cast<int64_t>(record.width), pictures.crop);
    scratch.resampler.Plan();
  }

  /** out: [3, crop, crop]. */
  void Write(float* out) {
    const int64_t side = pictures_.crop;
    for (int64_t row = 0; row < side; ++row) {
      SampleRow(row);
      const int64_t to = record_.flip != 0 ? side - 1 - row : row;
      for (int64_t c = 0; c < 3; ++c) {
        EveryIsa<SplitRow>(scratch_.samples.data() + c, out + (c * side + to) * side, side, record_.offset[c],
                           pictures_.inverse_std[c], record_.mirror != 0);
      }
    }
    Erase(out);
  }

 private:
  /** A row of samples, in changed colours, less the mean. Unchanged colours and the mean take one pass. */
  void SampleRow(int64_t row) {
    float* const samples = scratch_.samples.data();
    const int64_t side = pictures_.crop;
    const uint8_t* const bytes = image_ + row * stride_;
    if (!mix_ && !resize_) return EveryIsa<SubtractBytes>(bytes, MeanRow(row), samples, side * 3);
    if (!mix_ && pictures_.mean_image) {
      return scratch_.resampler.DifferenceRow(image_, pictures_.mean + first_, stride_, row, samples);
    }
    if (resize_) {
      scratch_.resampler.Row(image_, stride_, row, samples);
    } else {
      EveryIsa<ToFloats>(bytes, samples, side * 3);
    }
    if (mix_) EveryIsa<MixColours>(samples, record_.colour, side);
    EveryIsa<Subtract>(samples, MeanRow(row), side * 3);
  }

  const float* MeanRow(int64_t row) {
    if (!pictures_.mean_image) return scratch_.mean.data();
    const float* const from = pictures_.mean + first_;
    if (!resize_) return from + row * stride_;
    scratch_.resampler.Row(from, stride_, row, scratch_.mean.data());
    return scratch_.mean.data();
  }

  void Erase(float* out) const {
    const int64_t side = pictures_.crop;
    const auto top = static_cast<int64_t>(record_.erase_top), left = static_cast<int64_t>(record_.erase_left);
    const auto height = static_cast<int64_t>(record_.erase_height);
    const auto width = static_cast<int64_t>(record_.erase_width);
    for (int64_t c = 0; c < 3; ++c) {
      for (int64_t row = top; row < top + height; ++row)
        std::fill_n(out + (c * side + row) * side + left, width, 0.f);
    }
  }

  const Pictures& pictures_;
  const AugmentRecord& record_;
  Scratch& scratch_;
  const int64_t stride_;  // values a row of the stored picture
  const int64_t first_;   // value of the picture where the rectangle begins
  const uint8_t* const image_;
  const bool resize_, mix_;
};

std::vector<Picture> PicturesOfOneSize(const uint8_t* images, const Shape& shape) {
  std::vector<Picture> pictures;
  pictures.reserve(static_cast<size_t>(shape[0]));
  for (int64_t i = 0; i < shape[0]; ++i)
    pictures.push_back({images + i * shape[1] * shape[2] * 3, shape[1], shape[2]});
  return pictures;
}

std::vector<Picture> PicturesIn(const uint8_t* images, int64_t bytes, const Buffer& frames, int64_t count) {
  const auto* const from = static_cast<const AugmentFrame*>(frames.data());
  std::vector<Picture> pictures;
  for (int64_t i = 0; i < count; ++i) {
    CheckFrame(from[i], i, bytes);
    pictures.push_back({images + from[i].offset, from[i].height, from[i].width});
  }
  return pictures;
}

}  // namespace

void Augment(CpuBackend& backend, OpCall& call) {
  const Shape& shape = call.inputs[0]->shape;
  const Buffer images = Plain(backend, *call.inputs[0]), record_buffer = Plain(backend, *call.inputs[1]);
  const Buffer mean = Plain(backend, *call.inputs[2]), std = Plain(backend, *call.inputs[3]);
  const TensorPtr& frames = call.inputs[4];
  const int64_t count = call.inputs[1]->shape[0], crop = call.outputs[0]->shape[2];
  const int64_t views = count / (frames ? frames->shape : shape)[0];
  const auto* const bytes = static_cast<const uint8_t*>(images.data());
  const Pictures pictures = {frames ? PicturesIn(bytes, shape[0], Plain(backend, *frames), frames->shape[0])
                                    : PicturesOfOneSize(bytes, shape),
                             mean.floats(),
                             call.inputs[2]->shape.size() == 3,
                             {1.f / std.floats()[0], 1.f / std.floats()[1], 1.f / std.floats()[2]},
                             crop};
  const auto picture_of = [&](int64_t record) -> const Picture& {
    return pictures.pictures[static_cast<size_t>(record / views)];
  };
  const auto* const records = static_cast<const AugmentRecord*>(record_buffer.data());
  for (int64_t i = 0; i < count; ++i) {
    CheckRecord(records[i], i, {views, picture_of(i).height, picture_of(i).width, crop});
  }
  float* const y = backend.CreatePlain(*call.outputs[0]).floats();
  ParallelFor(count, 1, [&](int64_t begin, int64_t end) {
    Scratch scratch(pictures);
    for (int64_t i = begin; i < end; ++i) {
      View(pictures, records[i], picture_of(i), scratch).Write(y + i * 3 * crop * crop);
    }
  });
}

}  // namespace alexnet::cpu
