// Checks of augmentation records and frames, which come from outside and decide which memory is touched.
// Invariant: values are compared as floats; none is converted to an integer before it is known to be one.
#include "core/augment_record.h"

#include <cmath>

#include "core/error.h"

namespace alexnet {
namespace {

bool IsWhole(float value, float least) {
  return value >= least && std::floor(value) == value;
}

bool IsFlag(float value) {
  return value == 0 || value == 1;
}

bool Fits(float start, float size, float least, int64_t whole) {
  return IsWhole(start, 0) && IsWhole(size, least) &&
         static_cast<double>(start) + static_cast<double>(size) <= static_cast<double>(whole);
}

template <typename... Parts>
void CheckOf(bool condition, int64_t index, const AugmentSizes& sizes, const Parts&... parts) {
  if (condition) return;
  const int64_t picture = index / sizes.views;
  if (sizes.views == 1) throw Error(ErrorCode::kNative, Message("picture ", picture, ": ", parts...));
  throw Error(ErrorCode::kNative,
              Message("picture ", picture, ", view ", index % sizes.views, ": ", parts...));
}

}  // namespace

void CheckFrame(const AugmentFrame& frame, int64_t picture, int64_t bytes) {
  const int64_t height = frame.height, width = frame.width;
  // Both are below 2^31, so that their product is below 2^62; times 3 it would not be.
  const bool fits = frame.offset >= 0 && height > 0 && width > 0 && height * width <= bytes / 3 &&
                    frame.offset + height * width * 3 <= bytes;
  if (fits) return;
  throw Error(ErrorCode::kNative,
              Message("picture ", picture, ": its frame of ", height, "x", width, " pixels from byte ",
                      frame.offset, " is not inside the ", bytes, " bytes of the images"));
}

void CheckRecord(const AugmentRecord& record, int64_t index, const AugmentSizes& sizes) {
  CheckOf(Fits(record.top, record.height, 1, sizes.height) && Fits(record.left, record.width, 1, sizes.width),
          index, sizes, "the source rectangle of ", record.height, "x", record.width, " pixels at (",
          record.top, ", ", record.left, ") is not made of whole pixels of the picture of ", sizes.height,
          "x", sizes.width);
  CheckOf(IsFlag(record.mirror) && IsFlag(record.flip), index, sizes, "mirror is ", record.mirror,
          " and flip ", record.flip, ", expected 0 or 1");
  for (int i = 0; i < 9; ++i) {
    CheckOf(std::isfinite(record.colour[i]), index, sizes, "value ", i, " of the colour matrix is ",
            record.colour[i]);
  }
  for (int i = 0; i < 3; ++i) {
    CheckOf(std::isfinite(record.offset[i]), index, sizes, "value ", i, " of the colour offset is ",
            record.offset[i]);
  }
  CheckOf(Fits(record.erase_top, record.erase_height, 0, sizes.crop) &&
              Fits(record.erase_left, record.erase_width, 0, sizes.crop),
          index, sizes, "the erased rectangle of ", record.erase_height, "x", record.erase_width,
          " pixels at (", record.erase_top, ", ", record.erase_left,
          ") is not made of whole pixels of the output of ", sizes.crop, "x", sizes.crop);
}

}  // namespace alexnet
