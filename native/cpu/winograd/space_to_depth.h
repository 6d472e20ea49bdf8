// A convolution with stride s as one with stride 1: the pixels of s x s blocks become channels, and taps are
// blocked the same way, with zeros where a block reaches beyond the filter.
// Invariant: channel c of block row i and column j becomes channel (c * s + i) * s + j; padding becomes
// pixels.
#pragma once

#include <optional>

#include "cpu/backend.h"
#include "cpu/winograd/convolution_shape.h"

namespace alexnet::cpu {

class SpaceToDepth {
 public:
  /** Nothing for a convolution that has another stride in each direction, or one above 4. */
  static std::optional<SpaceToDepth> For(const ConvolutionShape& strided);

  /** The same convolution of blocked images and weights. */
  const ConvolutionShape& blocked() const { return blocked_; }
  /** x [N, C, H, W] with blocks for pixels, channels last. */
  Buffer Images(CpuBackend& backend, const Tensor& x) const;
  /** w [O, C, KH, KW], row-major. */
  Buffer Weights(CpuBackend& backend, const Buffer& w) const;
  /** The gradient of the weights from that of blocked weights; both row-major. */
  void UnblockWeights(const float* blocked, float* dw) const;

 private:
  SpaceToDepth(const ConvolutionShape& strided, const ConvolutionShape& blocked);
  /** Calls visit(index of a weight, its index among blocked weights). */
  template <typename Visit>
  void ForEachWeight(const Visit& visit) const;

  ConvolutionShape strided_, blocked_;
};

}  // namespace alexnet::cpu
