// Convolution with fewer multiplications: tiles of 7 x 7 are multiplied at the points of polynomials
// (Winograd 1980; Lavin and Gray 2015), F(5 x 5, 3 x 3) and F(3 x 3, 5 x 5). Invariant: float32 arithmetic
// whatever the activations are; results do not depend on the number of threads.
#pragma once

#include "cpu/backend.h"
#include "cpu/winograd/kernels.h"

namespace alexnet::cpu {

/** A convolution y = w * x. */
struct ConvolutionShape {
  int64_t images, groups;
  int64_t inputs, outputs;  // channels of a group
  int64_t height, width, output_height, output_width;
  int64_t taps_h, taps_w, stride_h, stride_w, pad_top, pad_left;

  /** That of dx = turned w * dy. */
  ConvolutionShape OfDataGradient() const;
};

class Winograd {
 public:
  /** Null where the direct convolution is faster, or this one is not made for the problem or the processor.
   */
  static std::shared_ptr<const Winograd> For(const ConvolutionShape& shape, dnnl::memory::data_type type);

  const char* name() const { return kernels_.name; }
  /** y of x; of OfDataGradient's shape: dx of dy, with the same w. `bias` may be null. */
  void Convolve(CpuBackend& backend, const Tensor& x, const Tensor& w, const Tensor* bias, bool relu,
                Tensor& y) const;
  void ConvolveTurned(CpuBackend& backend, const Tensor& dy, const Tensor& w, Tensor& dx) const;
  /** `db` may be null. */
  void WeightGradient(CpuBackend& backend, const Tensor& x, const Tensor& dy, Tensor& dw, Tensor* db) const;

 private:
  Winograd(const ConvolutionShape& shape, const winograd::Kernels& kernels);

  dnnl::memory::desc Preferred(const Tensor& tensor) const;
  Buffer Readable(CpuBackend& backend, const Tensor& tensor) const;
  winograd::Activations View(const Buffer& buffer, int64_t channels, int64_t group) const;
  void Run(CpuBackend& backend, const Tensor& x, const Tensor& w, const Tensor* bias, bool relu,
           const winograd::Taps& taps, Tensor& y) const;
  void Accumulate(const winograd::Activations& x, const winograd::Activations& dy, winograd::TileRange tiles,
                  winograd::Matrices v, winograd::Matrices z, winograd::Matrices du, float* sums) const;

  const ConvolutionShape shape_;
  const winograd::Kernels& kernels_;
  const winograd::Tiling tiling_;
  const int64_t tiles_;  // of all images
};

}  // namespace alexnet::cpu
