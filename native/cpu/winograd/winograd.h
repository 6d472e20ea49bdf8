// Convolution with fewer multiplications: tiles of 7 x 7 are multiplied at points of polynomials, F(5 x 5, 3
// x 3) and F(3 x 3, 5 x 5) (Winograd 1980; Lavin and Gray 2015). Strides are turned into channels.
// Invariant: float32 arithmetic for all activations; results do not depend on the number of threads.
#pragma once

#include <optional>

#include "cpu/backend.h"
#include "cpu/winograd/convolution_shape.h"
#include "cpu/winograd/kernels.h"
#include "cpu/winograd/space_to_depth.h"

namespace alexnet::cpu {

class Winograd {
 public:
  /**
   * For the outputs and for the weights' gradient of a convolution. Null where the direct convolution is
   * faster, or this one is not made for the problem or the processor.
   */
  static std::shared_ptr<const Winograd> For(const ConvolutionShape& shape, dnnl::memory::data_type type);
  /** For the data's gradient; null as above. */
  static std::shared_ptr<const Winograd> ForDataGradient(const ConvolutionShape& shape,
                                                         dnnl::memory::data_type type);

  /** `bias` may be null. */
  void Forward(CpuBackend& backend, const Tensor& x, const Tensor& w, const Tensor* bias, bool relu,
               Tensor& y) const;
  /** By what ForDataGradient made. */
  void DataGradient(CpuBackend& backend, const Tensor& dy, const Tensor& w, Tensor& dx) const;
  /** `db` may be null. */
  void WeightGradient(CpuBackend& backend, const Tensor& x, const Tensor& dy, Tensor& dw, Tensor* db) const;

 private:
  Winograd(const ConvolutionShape& shape, const winograd::Kernels& kernels,
           std::optional<SpaceToDepth> blocks);
  static std::shared_ptr<const Winograd> Make(const ConvolutionShape& shape, dnnl::memory::data_type type,
                                              double direct, std::optional<SpaceToDepth> blocks);

  dnnl::memory::desc Preferred(const Tensor& tensor) const;
  Buffer Readable(CpuBackend& backend, const Tensor& tensor) const;
  winograd::Activations View(const Buffer& buffer, int64_t channels, int64_t group) const;
  void Convolve(CpuBackend& backend, const Buffer& from, const Buffer& weights, const winograd::Taps& taps,
                const Tensor* bias, bool relu, Tensor& y) const;
  void Accumulate(const winograd::Activations& x, const winograd::Activations& dy, winograd::TileRange tiles,
                  winograd::Matrices v, winograd::Matrices z, winograd::Matrices du, float* sums) const;

  const ConvolutionShape shape_;  // of blocks, if there are any
  const std::optional<SpaceToDepth> blocks_;
  const winograd::Kernels& kernels_;
  const winograd::Tiling tiling_;
  const int64_t tiles_;  // of all images
};

}  // namespace alexnet::cpu
