// The arithmetic of Winograd's convolution for one instruction set: transforms of tiles and products of
// matrices.
// Invariant: nothing of the standard library, which would be compiled for this set only; no threads, no
// memory.
#pragma once

#include <cstdint>

namespace alexnet::cpu::winograd {

/** Points that a tile is evaluated at, along one side; an input tile has as many rows and columns. */
constexpr int kPoints = 7;
constexpr int kPointsOfTile = kPoints * kPoints;

/** Activations of a group, float32 or bfloat16; strides in elements. */
struct Activations {
  void* data;
  bool bfloat16;
  int64_t height, width;
  int64_t image, vector, row, column;
};

/** The tiles of one image; outputs of a tile lie beside those of the next. */
struct Tiling {
  int64_t rows, columns;
  int64_t of_image() const { return rows * columns; }
};

struct TileRange {
  int64_t begin, end;
  int64_t count() const { return end - begin; }
};

/** Where a filter's taps lie: elements between output channels, between input channels. */
struct Taps {
  int64_t output, input;
  bool turned;  // by half a turn: the filter of the data's gradient
};

/**
 * A matrix for each point: [kPointsOfTile][rows][columns]. Cut into panels of Kernels::panel columns where it
 * is the right side of a product or its result: [kPointsOfTile][panel][rows][columns of the panel].
 */
struct Matrices {
  float* data;
  int64_t rows, columns;

  /** With a cache line between the matrices of two points: equal distances of 2^n would share a cache set. */
  int64_t stride() const { return rows * columns + 16; }
  float* at(int64_t point) const { return data + point * stride(); }
  int64_t size() const { return kPointsOfTile * stride(); }
};

/** What is done with outputs. */
struct Finish {
  const float* bias;  // or null
  bool relu;
  bool stream;  // past the caches, for outputs that would not stay there
};

struct Kernels {
  int64_t taps;     // of a filter, along one side
  int64_t outputs;  // of a tile, along one side
  int64_t width;    // channels of a vector
  int64_t panel;    // columns of a panel

  /** w -> u [input, output]: input channels of the range, all output channels. */
  void (*TransformWeights)(const float* w, Taps strides, TileRange inputs, Matrices u);
  /** du [input, output] -> dw, the same way. */
  void (*RestoreWeights)(Matrices du, TileRange inputs, Taps strides, float* dw);
  /** x -> v [tile, channel] from row `first` on; tiles lie `padding` before the outputs they make. */
  void (*TransformInput)(const Activations& x, Tiling tiling, int64_t pad_top, int64_t pad_left,
                         TileRange tiles, int64_t first, Matrices v);
  /** m [tile, channel] in panels -> y. */
  void (*RestoreOutput)(Matrices m, Tiling tiling, TileRange tiles, const Finish& finish,
                        const Activations& y);
  /** dy -> z [tile, channel] in panels from row `first` on; adds dy to sums [channel] if not null. */
  void (*TransformGradient)(const Activations& dy, Tiling tiling, TileRange tiles, int64_t first, Matrices z,
                            float* sums);
  /**
   * c = a b, or c += a b, for one panel of `columns`: element (i, j) of a at a[i * row + j * step], b [depth,
   * columns], c [rows, columns].
   */
  void (*Multiply)(const float* a, int64_t row, int64_t step, int64_t rows, const float* b, int64_t depth,
                   int64_t columns, bool add, float* c);
};

}  // namespace alexnet::cpu::winograd

// For filters of 3 x 3 or 5 x 5 taps; null for another number.
namespace alexnet::cpu::avx2 {
const winograd::Kernels* WinogradKernels(int64_t taps);
}
namespace alexnet::cpu::avx512 {
const winograd::Kernels* WinogradKernels(int64_t taps);
}
