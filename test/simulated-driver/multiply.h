// Matrix multiplication in double, from operands that are gathered as they are packed.
// Invariant: c(i, j) is one sum over k in one order, whatever the number of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace simulation {

constexpr int kTileRows = 96;
constexpr int kTileColumns = 256;
constexpr int kTileDepth = 256;
constexpr int kPanelRows = 6;
constexpr int kPanelColumns = 16;

/** Adds a[depth][kPanelRows] times b[depth][kPanelColumns] to c, whose rows are kTileColumns apart. */
void MultiplyPanels(int64_t depth, const double* a, const double* b, double* c);

struct Extents {
  int64_t rows, columns, depth;
};

/** Packs up to kTile elements into panels of `width`, zeros where the matrix ends. */
template <typename Fetch>
void PackPanels(double* to, int width, int64_t count, int64_t depth, const Fetch& fetch) {
  for (int64_t panel = 0; panel < count; panel += width) {
    const int64_t live = std::min<int64_t>(width, count - panel);
    for (int64_t k = 0; k < depth; ++k) {
      for (int64_t i = 0; i < live; ++i) to[k * width + i] = fetch(panel + i, k);
      for (int64_t i = live; i < width; ++i) to[k * width + i] = 0;
    }
    to += depth * width;
  }
}

/**
 * @param a      a(row, k) as a double
 * @param b      b(k, column) as a double
 * @param store  store(row, column, sum), once for each element
 */
template <typename A, typename B, typename Store>
void Multiply(const Extents& extents, const A& a, const B& b, const Store& store) {
  const int64_t row_tiles = (extents.rows + kTileRows - 1) / kTileRows;
  const int64_t column_tiles = (extents.columns + kTileColumns - 1) / kTileColumns;
#pragma omp parallel
  {
    std::vector<double> c(size_t{kTileRows} * kTileColumns);
    std::vector<double> packed_a(size_t{kTileRows} * kTileDepth);
    std::vector<double> packed_b(size_t{kTileColumns} * kTileDepth);
#pragma omp for schedule(dynamic)
    for (int64_t tile = 0; tile < row_tiles * column_tiles; ++tile) {
      const int64_t row0 = tile % row_tiles * kTileRows, column0 = tile / row_tiles * kTileColumns;
      const int64_t rows = std::min<int64_t>(kTileRows, extents.rows - row0);
      const int64_t columns = std::min<int64_t>(kTileColumns, extents.columns - column0);
      std::fill(c.begin(), c.end(), 0.0);
      for (int64_t k0 = 0; k0 < extents.depth; k0 += kTileDepth) {
        const int64_t depth = std::min<int64_t>(kTileDepth, extents.depth - k0);
        PackPanels(packed_a.data(), kPanelRows, rows, depth,
                   [&](int64_t i, int64_t k) { return a(row0 + i, k0 + k); });
        PackPanels(packed_b.data(), kPanelColumns, columns, depth,
                   [&](int64_t j, int64_t k) { return b(k0 + k, column0 + j); });
        for (int64_t j = 0; j < columns; j += kPanelColumns) {
          for (int64_t i = 0; i < rows; i += kPanelRows) {
            MultiplyPanels(depth, &packed_a[i * depth], &packed_b[j * depth], &c[i * kTileColumns + j]);
          }
        }
      }
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < columns; ++j) store(row0 + i, column0 + j, c[i * kTileColumns + j]);
      }
    }
  }
}

}  // namespace simulation
