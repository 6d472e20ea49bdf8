// libFuzzer target for what the addon does with numbers that come from outside: records, frames, rasters,
// cuts.
// Invariant: whatever passes the checks is computed without touching memory outside the picture and the
// output.
#include <algorithm>
#include <cstring>
#include <vector>

#include "core/augment_record.h"
#include "core/error.h"
#include "core/picture.h"
#include "core/resample.h"

namespace {

/** Numbers off the front of the fuzzer's bytes; zeros when they run out. */
class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  template <typename T>
  T Take() {
    T value{};
    const size_t count = std::min(sizeof(T), size_);
    std::memcpy(&value, data_, count);
    data_ += count;
    size_ -= count;
    return value;
  }
  int64_t Between(int64_t low, int64_t high) { return low + Take<uint8_t>() % (high - low + 1); }
  /** Small whole numbers more often than not: others hardly pass a check. */
  float Number() { return Take<uint8_t>() % 4 == 0 ? Take<float>() : static_cast<float>(Take<int8_t>()); }

 private:
  const uint8_t* data_;
  size_t size_;
};

/** As the op augment does: the record's rectangle, resized to the crop. */
void Augment(Bytes& bytes) {
  const alexnet::AugmentSizes sizes = {1, bytes.Between(1, 48), bytes.Between(1, 48), bytes.Between(1, 32)};
  alexnet::AugmentRecord record;
  float values[sizeof(record) / sizeof(float)];
  for (float& value : values) value = bytes.Number();
  std::memcpy(&record, values, sizeof(record));
  const std::vector<uint8_t> images(
      static_cast<size_t>(sizes.height * sizes.width * 3 + bytes.Between(0, 9)));
  const alexnet::AugmentFrame frame = {bytes.Take<int32_t>() % 16, static_cast<int32_t>(sizes.height),
                                       static_cast<int32_t>(sizes.width)};
  alexnet::CheckFrame(frame, 0, static_cast<int64_t>(images.size()));
  alexnet::CheckRecord(record, 0, sizes);
  alexnet::Resampler resampler;
  resampler.rows().PlanTriangle(static_cast<int64_t>(record.height), sizes.crop);
  resampler.columns().PlanTriangle(static_cast<int64_t>(record.width), sizes.crop);
  resampler.Plan();
  std::vector<float> row(static_cast<size_t>(sizes.crop * 3));
  const int64_t stride = sizes.width * 3;
  const uint8_t* const from = images.data() + frame.offset + static_cast<int64_t>(record.top) * stride +
                              static_cast<int64_t>(record.left) * 3;
  for (int64_t y = 0; y < sizes.crop; ++y) resampler.Row(from, stride, y, row.data());
}

/** As scalePicture does with a decoded picture, once its sizes are known to agree. */
void Scale(Bytes& bytes) {
  const int64_t width = bytes.Between(1, 48), height = bytes.Between(1, 48), channels = bytes.Between(3, 4);
  std::vector<uint8_t> pixels(static_cast<size_t>(width * height * channels));
  for (uint8_t& pixel : pixels) pixel = bytes.Take<uint8_t>();
  alexnet::PictureCut cut;
  cut.scaled_width = bytes.Between(1, 96);
  cut.scaled_height = bytes.Between(1, 96);
  cut.left = bytes.Between(0, cut.scaled_width - 1);
  cut.top = bytes.Between(0, cut.scaled_height - 1);
  cut.width = bytes.Between(1, cut.scaled_width - cut.left);
  cut.height = bytes.Between(1, cut.scaled_height - cut.top);
  std::vector<uint8_t> out(static_cast<size_t>(cut.width * cut.height * 3));
  alexnet::ScalePicture({pixels.data(), width, height, channels, bytes.Between(1, 8)}, cut, out.data());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  Bytes bytes(data, size);
  try {
    if (bytes.Between(0, 1) == 0) {
      Augment(bytes);
    } else {
      Scale(bytes);
    }
  } catch (const alexnet::Error&) {
    // Refused, as it should be.
  }
  return 0;
}
