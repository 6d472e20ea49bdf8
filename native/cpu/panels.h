// Weights of fully connected layers as oneDNN lays them out for its products: panels of outputs, a row for each input.
// Invariant: a panel is contiguous from its first row to its last, so a row lies the width of the panel after the one
// before it.
#pragma once

#include <cstdint>
#include <dnnl.hpp>
#include <optional>

namespace alexnet::cpu {

/**
 * Weights [columns, rows]: column c of a row is number c / width * stride + row * row_stride + c % width. In pairs, that
 * of an even row is number c / width * stride + row * row_stride + 2 * (c % width), and the next row's comes after it.
 */
struct Panels {
  int64_t rows, columns, width;
  /** From a panel to the next, and from a row to the next. */
  int64_t stride, row_stride;
  /** Elements of two rows take turns, as copies of 16 bits are multiplied. */
  bool pairs;

  /** Rows of all columns, which can be cut into panels of any width. */
  bool IsWhole() const { return width == columns && !pairs; }
  Panels Cut(int64_t to) const {
    return IsWhole() ? Panels{rows, columns, to, to, row_stride, false} : *this;
  }
};

/** How `layout` is cut; nothing if it is another kind of layout. */
inline std::optional<Panels> PanelsOf(const dnnl::memory::desc& layout) {
  if (layout.get_ndims() != 2) return std::nullopt;
  const auto shape = layout.get_dims(), strides = layout.get_strides();
  const auto blocks = layout.get_inner_blks(), order = layout.get_inner_idxs();
  const int64_t rows = shape[1], columns = shape[0];
  if (blocks.empty()) {
    if (strides[0] != 1 || strides[1] != columns) return std::nullopt;
    return Panels{rows, columns, columns, columns, columns, false};
  }
  const bool pairs = order == dnnl::memory::dims{1, 0, 1} && blocks[2] == 2;
  if (!pairs && order != dnnl::memory::dims{1, 0}) return std::nullopt;
  const int64_t width = blocks[1], block_rows = blocks[0] * (pairs ? 2 : 1);
  if (strides[1] != block_rows * width) return std::nullopt;
  return Panels{rows, columns, width, strides[0], width, pairs};
}

}  // namespace alexnet::cpu
