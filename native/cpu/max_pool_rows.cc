// Max pooling of rows. Windows of 3 x 3 inside the picture have a path with constant bounds.
// Invariant: see max_pool_rows.h; backward asks each window that sees a pixel whether the pixel won.
#include "cpu/max_pool_rows.h"

#include "cpu/vector.h"

namespace alexnet::cpu::ALEXNET_ISA {
namespace {

/** The part of a window that exists: rows and columns of its pixels, and the place of the first. */
struct Part {
  int64_t rows, columns;
  uint32_t first, kernel_width;
};

template <typename From, typename To>
struct Forward {
  static ALEXNET_INLINE void Run(const MaxPool* pool, const Row<const From>* x, int64_t first, int64_t count,
                                 Row<To> y, Row<uint8_t> argmax) {
    const PoolAxis columns = pool->columns;
    const auto width = static_cast<uint32_t>(columns.kernel);
    for (int64_t o = 0; o < columns.output; ++o) {
      const int64_t left = columns.First(o), end = columns.End(o);
      const int64_t place = first * columns.kernel + columns.Place(o, left);
      const Part part = {count, end - left, static_cast<uint32_t>(place), width};
      uint8_t* const winners = argmax.data == nullptr ? nullptr : argmax.data + o * argmax.pixel;
      To* const out = y.data + o * y.pixel;
      if (part.rows == 3 && part.columns == 3 && width == 3) {
        Window3x3(*pool, x, left, out, y.vectors, winners);
      } else {
        Window(*pool, x, left, part, out, y.vectors, winners);
      }
    }
  }

  static ALEXNET_INLINE void Window(const MaxPool& pool, const Row<const From>* x, int64_t left, Part part,
                                    To* out, const int64_t* to, uint8_t* winners) {
    for (int64_t v = 0; v < pool.vectors; ++v) {
      Vector(x, left, part, v, out + to[v], winners == nullptr ? nullptr : winners + to[v]);
    }
  }

  /** One vector of channels of one window. */
  static void Vector(const Row<const From>* x, int64_t left, Part part, int64_t v, To* out,
                     uint8_t* winners) {
    Floats best = LoadFloats(x[0].data + left * x[0].pixel + x[0].vectors[v]);
    Words winner = Words{} + part.first;
    for (int64_t row = 0; row < part.rows; ++row) {
      const From* const in = x[row].data + left * x[row].pixel + x[row].vectors[v];
      for (int64_t column = 0; column < part.columns; ++column) {
        const Floats value = LoadFloats(in + column * x[row].pixel);
        const Words place = Words{} + (part.first + static_cast<uint32_t>(row) * part.kernel_width +
                                       static_cast<uint32_t>(column));
        const Mask wins = (value > best) | ((value != value) & (best == best));
        winner = wins ? place : winner;
        best = wins ? value : best;
      }
    }
    StoreFloats(best, out);
    if (winners != nullptr) StoreBytes(winner, winners);
  }

  /** Maxima first, then who they are, so that no comparison waits for another; NaNs go the other way. */
  static ALEXNET_INLINE void Window3x3(const MaxPool& pool, const Row<const From>* x, int64_t left, To* out,
                                       const int64_t* to, uint8_t* winners) {
    for (int64_t v = 0; v < pool.vectors; ++v) {
      Floats values[9], best = {}, total = {};
      for (int i = 0; i < 9; ++i) {
        const Row<const From>& row = x[i / 3];
        const From* const at = row.data + (left + i % 3) * row.pixel + row.vectors[v];
        values[i] = LoadFloats(at);
        if (i / 3 > 0 && i % 3 > 0) Prefetch(at);  // the others were of the windows before
        best = i == 0 ? values[0] : (values[i] > best ? values[i] : best);
        total += values[i];
      }
      uint8_t* const places = winners == nullptr ? nullptr : winners + to[v];
      if (HasNan(total)) {
        Vector(x, left, {3, 3, 0, 3}, v, out + to[v], places);
        continue;
      }
      StoreFloats(best, out + to[v]);
      if (places == nullptr) continue;
      Words winner = Words{} + 8u;
      for (uint32_t i = 8; i-- > 0;) winner = values[i] == best ? Words{} + i : winner;
      StoreBytes(winner, places);
    }
  }
};

template <typename From, typename To>
struct Backward {
  static ALEXNET_INLINE void Run(const MaxPool* pool, int64_t row, Row<const From> dy,
                                 Row<const uint8_t> argmax, int64_t row_step, Row<To> dx) {
    const PoolAxis rows = pool->rows, columns = pool->columns;
    const int64_t top = rows.FirstOutput(row), bottom = rows.EndOutput(row);
    for (int64_t column = 0; column < columns.input; ++column) {
      const int64_t left = columns.FirstOutput(column), right = columns.EndOutput(column);
      const Seers seers = {
          {top * row_step + left * dy.pixel, row_step, dy.pixel},
          static_cast<uint32_t>(rows.Place(top, row) * columns.kernel + columns.Place(left, column)),
          static_cast<uint32_t>(rows.stride * columns.kernel),
          static_cast<uint32_t>(columns.stride)};
      To* const out = dx.data + column * dx.pixel;
      const int64_t height = bottom - top, width = right - left;
      // Windows of 3 x 3 two apart have these; with constants for their numbers the loops go away.
      if (height == 1 && width == 1) {
        Pixel(*pool, seers, 1, 1, dy, argmax, out, dx.vectors);
      } else if (height == 1 && width == 2) {
        Pixel(*pool, seers, 1, 2, dy, argmax, out, dx.vectors);
      } else if (height == 2 && width == 1) {
        Pixel(*pool, seers, 2, 1, dy, argmax, out, dx.vectors);
      } else if (height == 2 && width == 2) {
        Pixel(*pool, seers, 2, 2, dy, argmax, out, dx.vectors);
      } else {
        Pixel(*pool, seers, height, width, dy, argmax, out, dx.vectors);
      }
    }
  }

  /** The windows that see a pixel: where the first lies and the ways to the next, and the pixel's place in
   * each. */
  struct Seers {
    struct {
      int64_t first, row, column;
    } at;
    uint32_t place, place_row, place_column;  // the place falls by so much from a window to the next
  };

  static ALEXNET_INLINE void Pixel(const MaxPool& pool, const Seers& seers, int64_t height, int64_t width,
                                   Row<const From> dy, Row<const uint8_t> argmax, To* out,
                                   const int64_t* to) {
    for (int64_t v = 0; v < pool.vectors; ++v) {
      Floats sum = {};
      for (int64_t y = 0; y < height; ++y) {
        for (int64_t x = 0; x < width; ++x) {
          const uint32_t place = seers.place - static_cast<uint32_t>(y) * seers.place_row -
                                 static_cast<uint32_t>(x) * seers.place_column;
          const int64_t at = seers.at.first + y * seers.at.row + x * seers.at.column + dy.vectors[v];
          const Words won = LoadBytes(argmax.data + at);
          sum += won == place ? LoadFloats(dy.data + at) : Floats{};
        }
      }
      StoreFloats(sum, out + to[v]);
    }
  }
};

}  // namespace

template <typename From, typename To>
void MaxPoolRowForward(const MaxPool& pool, const Row<const From>* x, int64_t first, int64_t count, Row<To> y,
                       Row<uint8_t> argmax) {
  Forward<From, To>::Run(&pool, x, first, count, y, argmax);
}

template <typename From, typename To>
void MaxPoolRowBackward(const MaxPool& pool, int64_t row, Row<const From> dy, Row<const uint8_t> argmax,
                        int64_t row_step, Row<To> dx) {
  Backward<From, To>::Run(&pool, row, dy, argmax, row_step, dx);
}

#define ALEXNET_FORWARD(From, To)                                                                    \
  template void MaxPoolRowForward(const MaxPool&, const Row<const From>*, int64_t, int64_t, Row<To>, \
                                  Row<uint8_t>);
#define ALEXNET_BACKWARD(From, To)                                                                        \
  template void MaxPoolRowBackward(const MaxPool&, int64_t, Row<const From>, Row<const uint8_t>, int64_t, \
                                   Row<To>);
ALEXNET_FORWARD(float, float)
ALEXNET_FORWARD(BFloat16, BFloat16)
ALEXNET_FORWARD(float, BFloat16)
ALEXNET_BACKWARD(float, float)
ALEXNET_BACKWARD(BFloat16, BFloat16)
ALEXNET_BACKWARD(BFloat16, float)

}  // namespace alexnet::cpu::ALEXNET_ISA
