// Response normalisation of rows: a pixel's channels pass through registers, a vector after another, so that
// the window's neighbours are shuffles instead of loads.
// Invariant: see lrn_rows.h.
#include "cpu/lrn_rows.h"

#include "cpu/vector.h"

namespace alexnet::cpu::ALEXNET_ISA {
namespace {

/** s^-1/4 to 1e-7, by a step of Householder's method of third order: no division and no root. */
ALEXNET_INLINE Floats InverseFourthRoots(Floats s) {
  const Floats r = RoughInverseFourthRoots(s), square = r * r;
  const Floats error = 1.f - s * (square * square);
  return r + r * error * (0.25f + 0.15625f * error);
}

/** Sums of five neighbouring channels while vectors of them pass by in order: a pair of sums serves twice. */
class WindowSums {
 public:
  explicit ALEXNET_INLINE WindowSums(Floats first) : pairs_(Shifted<1>(Floats{}, first)), next_(first) {}
  /** Sums around the lanes of the vector before `after`, which comes next. */
  ALEXNET_INLINE Floats Around(Floats after) {
    const Floats at = next_, pairs = at + Shifted<1>(at, after);  // i and i + 1
    const Floats sums = (Shifted<kLanes - 2>(pairs_, pairs) + pairs) + Shifted<2>(at, after);
    pairs_ = pairs;
    next_ = after;
    return sums;
  }

 private:
  Floats pairs_, next_;
};

template <typename From, typename To>
struct Forward {
  static ALEXNET_INLINE void Run(LrnRow lrn, Row<const From> x, Row<To> y) {
    for (int64_t pixel = 0; pixel < lrn.width; ++pixel) {
      const From* const in = x.data + pixel * x.pixel;
      To* const out = y.data + pixel * y.pixel;
      for (int64_t first = 0; first < lrn.vectors; first += lrn.per_group) {
        Group(lrn, in, x.vectors + first, out, y.vectors + first);
      }
    }
  }

  /** One pixel's channels of one group. */
  static ALEXNET_INLINE void Group(const LrnRow& lrn, const From* in, const int64_t* from, To* out,
                                   const int64_t* to) {
    Floats at = LoadFloats(in + from[0]);
    WindowSums squares(at * at);
    for (int64_t v = 0; v < lrn.per_group; ++v) {
      Prefetch(in + from[v]);
      const Floats next = v + 1 < lrn.per_group ? LoadFloats(in + from[v + 1]) : Floats{};
      const Floats r = InverseFourthRoots(lrn.k + lrn.alpha * squares.Around(next * next));
      StoreFloats(at * (r * r * r), out + to[v]);
      at = next;
    }
  }
};

template <typename T, typename Gradient, bool kRelu>
struct Backward {
  static ALEXNET_INLINE void Run(LrnRow lrn, Row<const T> x, Row<const Gradient> dy, Row<T> dx) {
    for (int64_t pixel = 0; pixel < lrn.width; ++pixel) {
      const Pixel at = {x.data + pixel * x.pixel, dy.data + pixel * dy.pixel, dx.data + pixel * dx.pixel};
      for (int64_t first = 0; first < lrn.vectors; first += lrn.per_group) {
        Group(lrn, at, x.vectors + first, dy.vectors + first, dx.vectors + first);
      }
    }
  }

  struct Pixel {
    const T* x;
    const Gradient* dy;
    T* dx;
  };

  /**
   * First what each channel gives to its neighbours, then their sums: two short chains of operations, of
   * which a processor has more under way than of a long one.
   */
  static ALEXNET_INLINE void Group(const LrnRow& lrn, const Pixel& pixel, const int64_t* xs,
                                   const int64_t* dys, const int64_t* dxs) {
    float *const scaled = lrn.scratch, *const ratios = scaled + lrn.per_group * kLanes;
    Floats next = LoadFloats(pixel.x + xs[0]);
    WindowSums squares(next * next);
    for (int64_t v = 0; v < lrn.per_group; ++v) {
      Prefetch(pixel.x + xs[v]);
      Prefetch(pixel.dx + dxs[v]);
      const Floats x = next;
      next = v + 1 < lrn.per_group ? LoadFloats(pixel.x + xs[v + 1]) : Floats{};
      const Floats r = InverseFourthRoots(lrn.k + lrn.alpha * squares.Around(next * next));
      const Floats r2 = r * r, product = LoadFloats(pixel.dy + dys[v]) * (r2 * r);
      StoreFloats(product, scaled + v * kLanes);                  // dy s^-3/4
      StoreFloats(product * x * (r2 * r2), ratios + v * kLanes);  // dy x s^-7/4
    }
    StoreFloats(Floats{}, ratios + lrn.per_group * kLanes);
    const float scale = 1.5f * lrn.alpha;
    WindowSums sums(LoadFloats(ratios));
    for (int64_t v = 0; v < lrn.per_group; ++v) {
      const Floats x = LoadFloats(pixel.x + xs[v]);
      Floats dx =
          LoadFloats(scaled + v * kLanes) - scale * x * sums.Around(LoadFloats(ratios + (v + 1) * kLanes));
      if (kRelu) dx = x > 0.f ? dx : Floats{};
      StoreFloats(dx, pixel.dx + dxs[v]);
    }
  }
};

}  // namespace

template <typename From, typename To>
void LrnRowForward(const LrnRow& lrn, Row<const From> x, Row<To> y) {
  Forward<From, To>::Run(lrn, x, y);
}

template <typename T, typename Gradient>
void LrnRowBackward(const LrnRow& lrn, Row<const T> x, Row<const Gradient> dy, Row<T> dx, bool relu) {
  if (relu) return Backward<T, Gradient, true>::Run(lrn, x, dy, dx);
  Backward<T, Gradient, false>::Run(lrn, x, dy, dx);
}

template void LrnRowForward(const LrnRow&, Row<const float>, Row<float>);
template void LrnRowForward(const LrnRow&, Row<const BFloat16>, Row<BFloat16>);
template void LrnRowForward(const LrnRow&, Row<const BFloat16>, Row<float>);
template void LrnRowForward(const LrnRow&, Row<const uint8_t>, Row<uint8_t>);
template void LrnRowBackward(const LrnRow&, Row<const float>, Row<const float>, Row<float>, bool);
template void LrnRowBackward(const LrnRow&, Row<const BFloat16>, Row<const BFloat16>, Row<BFloat16>, bool);
template void LrnRowBackward(const LrnRow&, Row<const BFloat16>, Row<const float>, Row<BFloat16>, bool);

}  // namespace alexnet::cpu::ALEXNET_ISA
