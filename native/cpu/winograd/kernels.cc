// The kernels of kernels.h in vectors, for filters of 3 x 3 and of 5 x 5 taps.
// Invariant: a result does not depend on how tiles are cut into ranges, nor on the width of vectors.
#include "cpu/winograd/kernels.h"

#include <type_traits>

#include "cpu/vector.h"
#include "cpu/winograd/transforms.h"

namespace alexnet::cpu::ALEXNET_ISA {
namespace {

using namespace winograd;

// Rows and vectors of a block of a product: their sums, the vectors of the right side and one of the left
// fill the registers, of which there are 16, with AVX-512 32.
constexpr int kRows = 6, kVectors = kLanes == 16 ? 4 : 2;
constexpr int64_t kWidth = kLanes, kPanel = kVectors * kWidth;

template <int kTaps>
struct KernelsOf {
  static constexpr int kOutputs = kPoints + 1 - kTaps;

  static constexpr auto kInput = InputMatrix();
  static constexpr auto kWeights = WeightMatrix<kTaps>();
  static constexpr auto kRestoreWeights = kWeights.Transposed();
  static constexpr auto kGradient = OutputMatrix<kOutputs>();
  static constexpr auto kRestoreOutput = kGradient.Transposed();

  // to[i] = sum of matrix[i][j] from[j], both with strides; unrolled, so that zeros cost nothing.
  template <int kTo, int kFrom>
  static ALEXNET_INLINE void Apply(const Matrix<kTo, kFrom>& matrix, const Floats* from, int64_t from_stride,
                                   Floats* to, int64_t to_stride) {
#pragma GCC unroll 8
    for (int i = 0; i < kTo; ++i) {
      Floats sum = Floats{};
#pragma GCC unroll 8
      for (int j = 0; j < kFrom; ++j) {
        if (matrix.at[i][j] != 0) {
          sum = MultiplyAdd(Splat(matrix.at[i][j]), from[j * from_stride], sum);
        }
      }
      to[i * to_stride] = sum;
    }
  }

  // to [kTo, kTo] = matrix from [kFrom, kFrom] matrix^T
  template <int kTo, int kFrom>
  static ALEXNET_INLINE void Transform(const Matrix<kTo, kFrom>& matrix, const Floats* from, Floats* to) {
    Floats half[kTo * kFrom];
#pragma GCC unroll 8
    for (int64_t column = 0; column < kFrom; ++column)
      Apply(matrix, from + column, kFrom, half + column, kFrom);
#pragma GCC unroll 8
    for (int64_t row = 0; row < kTo; ++row) Apply(matrix, half + row * kFrom, 1, to + row * kTo, 1);
  }

  /** An element of a tile in the activations: row and column of the first, and those that are inside. */
  struct Window {
    int64_t image, top, left;
    int first_row, end_row, first_column, end_column;

    Window(const Activations& x, Tiling tiling, int64_t tile, int64_t pad_top, int64_t pad_left, int side) {
      image = tile / tiling.of_image();
      const int64_t within = tile % tiling.of_image();
      top = within / tiling.columns * kOutputs - pad_top;
      left = within % tiling.columns * kOutputs - pad_left;
      Inside(top, x.height, side, first_row, end_row);
      Inside(left, x.width, side, first_column, end_column);
    }

    static void Inside(int64_t start, int64_t extent, int side, int& first, int& end) {
      const int64_t low = start < 0 ? -start : 0, high = extent - start;
      first = static_cast<int>(low < side ? low : side);
      end = static_cast<int>(high < side ? (high > first ? high : first) : side);
    }

    int64_t Offset(const Activations& x) const { return image * x.image + top * x.row + left * x.column; }
    bool Whole(int side) const {
      return first_row == 0 && first_column == 0 && end_row == side && end_column == side;
    }
  };

  // The window's values, zero outside of the activations.
  template <int kSide, typename T>
  static ALEXNET_INLINE void LoadTile(const Activations& x, const Window& window, int64_t offset,
                                      Floats* tile) {
    const T* const from = static_cast<const T*>(x.data) + offset;
    if (window.Whole(kSide)) {
      for (int i = 0; i < kSide; ++i) {
        for (int j = 0; j < kSide; ++j) {
          const T* const at = from + i * x.row + j * x.column;
          tile[i * kSide + j] = LoadFloats(at);
          // The next channels' tile; channels in bfloat16 lie together, see Winograd::Preferred.
          if constexpr (std::is_same_v<T, float>) Prefetch(at, 4 * x.vector);
        }
      }
      return;
    }
    for (int i = 0; i < kSide * kSide; ++i) tile[i] = Floats{};
    for (int i = window.first_row; i < window.end_row; ++i) {
      for (int j = window.first_column; j < window.end_column; ++j) {
        tile[i * kSide + j] = LoadFloats(from + i * x.row + j * x.column);
      }
    }
  }

  static void TransformWeights(const float* w, Taps strides, TileRange inputs, Matrices u) {
    for (int64_t input = inputs.begin; input < inputs.end; ++input) {
      for (int64_t output = 0; output < u.columns; output += kWidth) {
        alignas(64) float lanes[kTaps * kTaps][kWidth];
        for (int64_t lane = 0; lane < kWidth; ++lane) {
          const float* const filter = w + (output + lane) * strides.output + input * strides.input;
          for (int tap = 0; tap < kTaps * kTaps; ++tap) {
            lanes[tap][lane] = filter[strides.turned ? kTaps * kTaps - 1 - tap : tap];
          }
        }
        Floats taps[kTaps * kTaps], points[kPointsOfTile];
        for (int tap = 0; tap < kTaps * kTaps; ++tap) taps[tap] = LoadFloats(lanes[tap]);
        Transform(kWeights, taps, points);
        StorePoints(points, u, input, output);
      }
    }
  }

  static void RestoreWeights(Matrices du, TileRange inputs, Taps strides, float* dw) {
    for (int64_t input = inputs.begin; input < inputs.end; ++input) {
      for (int64_t output = 0; output < du.columns; output += kWidth) {
        Floats points[kPointsOfTile], taps[kTaps * kTaps];
        LoadPoints(du, input, output, points);
        Transform(kRestoreWeights, points, taps);
        alignas(64) float lanes[kTaps * kTaps][kWidth];
        for (int tap = 0; tap < kTaps * kTaps; ++tap) StoreFloats(taps[tap], lanes[tap]);
        for (int64_t lane = 0; lane < kWidth; ++lane) {
          float* const filter = dw + (output + lane) * strides.output + input * strides.input;
          for (int tap = 0; tap < kTaps * kTaps; ++tap) filter[tap] = lanes[tap][lane];
        }
      }
    }
  }

  template <typename T>
  static void TransformInputOf(const Activations& x, Tiling tiling, int64_t pad_top, int64_t pad_left,
                               TileRange tiles, int64_t first, Matrices v) {
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const Window window(x, tiling, tile, pad_top, pad_left, kPoints);
      float* const row = v.data + (first + tile - tiles.begin) * v.columns;
      for (int64_t vector = 0; vector < v.columns / kWidth; ++vector) {
        Floats values[kPointsOfTile], points[kPointsOfTile];
        LoadTile<kPoints, T>(x, window, window.Offset(x) + vector * x.vector, values);
        Transform(kInput, values, points);
        for (int point = 0; point < kPointsOfTile; ++point) {
          StoreFloats(points[point], row + point * v.stride() + vector * kWidth);
        }
      }
    }
  }

  static void TransformInput(const Activations& x, Tiling tiling, int64_t pad_top, int64_t pad_left,
                             TileRange tiles, int64_t first, Matrices v) {
    (x.bfloat16 ? TransformInputOf<BFloat16> : TransformInputOf<float>)(x, tiling, pad_top, pad_left, tiles,
                                                                        first, v);
  }

  template <typename T, bool kStream>
  static void RestoreOutputOf(Matrices m, Tiling tiling, TileRange tiles, const Finish& finish,
                              const Activations& y) {
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const Window window(y, tiling, tile, 0, 0, kOutputs);
      for (int64_t vector = 0; vector < m.columns / kWidth; ++vector) {
        Floats points[kPointsOfTile], values[kOutputs * kOutputs];
        LoadPoints(m, tile - tiles.begin, vector * kWidth, points);
        Transform(kRestoreOutput, points, values);
        const Floats shift = finish.bias != nullptr ? LoadFloats(finish.bias + vector * kWidth) : Floats{};
        T* const to = static_cast<T*>(y.data) + window.Offset(y) + vector * y.vector;
        for (int i = 0; i < window.end_row; ++i) {
          for (int j = 0; j < window.end_column; ++j) {
            Floats value = values[i * kOutputs + j] + shift;
            if (finish.relu) value = value < 0.f ? Floats{} : value;
            T* const at = to + i * y.row + j * y.column;
            if constexpr (kStream) {
              StreamFloats(value, at);
            } else if constexpr (std::is_same_v<T, BFloat16>) {
              StoreFloats(WithoutPayload(value), at);
            } else {
              StoreFloats(value, at);
            }
          }
        }
      }
    }
  }

  static void RestoreOutput(Matrices m, Tiling tiling, TileRange tiles, const Finish& finish,
                            const Activations& y) {
    if (y.bfloat16) return RestoreOutputOf<BFloat16, false>(m, tiling, tiles, finish, y);
    if constexpr (kLinesAreVectors) {
      if (finish.stream) {
        RestoreOutputOf<float, true>(m, tiling, tiles, finish, y);
        return FinishStream();
      }
    }
    RestoreOutputOf<float, false>(m, tiling, tiles, finish, y);
  }

  template <typename T>
  static void TransformGradientOf(const Activations& dy, Tiling tiling, TileRange tiles, int64_t first,
                                  Matrices z, float* sums) {
    for (int64_t tile = tiles.begin; tile < tiles.end; ++tile) {
      const Window window(dy, tiling, tile, 0, 0, kOutputs);
      for (int64_t vector = 0; vector < z.columns / kWidth; ++vector) {
        Floats values[kOutputs * kOutputs], points[kPointsOfTile];
        LoadTile<kOutputs, T>(dy, window, window.Offset(dy) + vector * dy.vector, values);
        if (sums != nullptr) {
          Floats sum = LoadFloats(sums + vector * kWidth);
          for (int i = 0; i < kOutputs * kOutputs; ++i) sum += values[i];
          StoreFloats(sum, sums + vector * kWidth);
        }
        Transform(kGradient, values, points);
        StorePoints(points, z, first + tile - tiles.begin, vector * kWidth);
      }
    }
  }

  static void TransformGradient(const Activations& dy, Tiling tiling, TileRange tiles, int64_t first,
                                Matrices z, float* sums) {
    (dy.bfloat16 ? TransformGradientOf<BFloat16> : TransformGradientOf<float>)(dy, tiling, tiles, first, z,
                                                                               sums);
  }

  // Where element (row, column) of the first point lies in matrices of panels.
  static int64_t PanelOffset(const Matrices& matrices, int64_t row, int64_t column) {
    const int64_t start = column / kPanel * kPanel, rest = matrices.columns - start;
    return start * matrices.rows + row * (rest < kPanel ? rest : kPanel) + column - start;
  }

  static ALEXNET_INLINE void StorePoints(const Floats* points, const Matrices& to, int64_t row,
                                         int64_t column) {
    float* const first = to.data + PanelOffset(to, row, column);
    for (int point = 0; point < kPointsOfTile; ++point)
      StoreFloats(points[point], first + point * to.stride());
  }

  static ALEXNET_INLINE void LoadPoints(const Matrices& from, int64_t row, int64_t column, Floats* points) {
    const float* const first = from.data + PanelOffset(from, row, column);
    for (int point = 0; point < kPointsOfTile; ++point)
      points[point] = LoadFloats(first + point * from.stride());
  }

  // A block of the product, in registers from the first to the last step.
  template <int kBlockRows, int kBlockVectors>
  static void MultiplyBlock(const float* a, int64_t row, int64_t step, const float* b, int64_t depth,
                            bool add, float* c) {
    Floats sums[kBlockRows][kBlockVectors];
#pragma GCC unroll 8
    for (int i = 0; i < kBlockRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kBlockVectors; ++j) {
        sums[i][j] = add ? LoadFloats(c + (i * kBlockVectors + j) * kWidth) : Floats{};
      }
    }
    for (int64_t k = 0; k < depth; ++k, a += step, b += kBlockVectors * kWidth) {
      Floats right[kBlockVectors];
#pragma GCC unroll 8
      for (int j = 0; j < kBlockVectors; ++j) right[j] = LoadFloats(b + j * kWidth);
#pragma GCC unroll 8
      for (int i = 0; i < kBlockRows; ++i) {
        const Floats left = Splat(a[i * row]);
#pragma GCC unroll 8
        for (int j = 0; j < kBlockVectors; ++j) sums[i][j] = MultiplyAdd(left, right[j], sums[i][j]);
      }
    }
#pragma GCC unroll 8
    for (int i = 0; i < kBlockRows; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kBlockVectors; ++j) StoreFloats(sums[i][j], c + (i * kBlockVectors + j) * kWidth);
    }
  }

  // The rows that are left over: fewer than kBlockRows.
  template <int kBlockRows, int kBlockVectors>
  static void MultiplyRest(const float* a, int64_t row, int64_t step, int64_t rows, const float* b,
                           int64_t depth, bool add, float* c) {
    if constexpr (kBlockRows > 1) {
      if (rows == kBlockRows - 1) {
        MultiplyBlock<kBlockRows - 1, kBlockVectors>(a, row, step, b, depth, add, c);
      } else {
        MultiplyRest<kBlockRows - 1, kBlockVectors>(a, row, step, rows, b, depth, add, c);
      }
    }
  }

  template <int kBlockVectors>
  static void MultiplyPanel(const float* a, int64_t row, int64_t step, int64_t rows, const float* b,
                            int64_t depth, int64_t columns, bool add, float* c) {
    if constexpr (kBlockVectors > 1) {
      if (columns < kBlockVectors * kWidth) {
        return MultiplyPanel<kBlockVectors - 1>(a, row, step, rows, b, depth, columns, add, c);
      }
    }
    int64_t i = 0;
    for (; i + kRows <= rows; i += kRows) {
      MultiplyBlock<kRows, kBlockVectors>(a + i * row, row, step, b, depth, add, c + i * columns);
    }
    MultiplyRest<kRows, kBlockVectors>(a + i * row, row, step, rows - i, b, depth, add, c + i * columns);
  }

  static constexpr Kernels Table() {
    return {kTaps,
            kOutputs,
            kWidth,
            kPanel,
            TransformWeights,
            RestoreWeights,
            TransformInput,
            RestoreOutput,
            TransformGradient,
            MultiplyPanel<kVectors>};
  }
};

constexpr Kernels kThree = KernelsOf<3>::Table(), kFive = KernelsOf<5>::Table();

}  // namespace

const Kernels* WinogradKernels(int64_t taps) {
  return taps == 3 ? &kThree : taps == 5 ? &kFive : nullptr;
}

}  // namespace alexnet::cpu::ALEXNET_ISA
