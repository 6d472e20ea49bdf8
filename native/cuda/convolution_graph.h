// A compiled convolution of cuDNN's graph API: forward with bias and ReLU fused, or one of the two gradients.
// Invariant: all tensors of a graph lie in one order.
#pragma once

#include <array>
#include <memory>
#include <string>

#include "cuda/backend.h"

namespace alexnet::cuda {

enum class ConvolutionKind { kForward, kBackwardData, kBackwardWeights };

/** x and w convolved give y; a gradient has the shape of what it is a gradient of. */
struct ConvolutionProblem {
  ConvolutionKind kind;
  Shape x, w, y;
  std::array<int64_t, 2> stride, padding;  // padding: on either side
  DType input, output;
  bool bias, relu;  // fused; the bias has the output's type
  Order order;
};

class ConvolutionGraph final : public Compiled {
 public:
  /** @throws Error with kUnsupported if cuDNN has no plan within the options' bounds */
  ConvolutionGraph(CudaBackend& backend, const ConvolutionProblem& problem);
  ~ConvolutionGraph() override;

  /** @param first, second  x and w; w and dy; or x and dy @param bias  null if none is fused */
  void Run(CudaBackend& backend, const Buffer& first, const Buffer& second, const Buffer& bias,
           const Buffer& output) const;
  const ConvolutionProblem& problem() const { return problem_; }
  std::string description() const;

 private:
  struct Graph;

  const ConvolutionProblem problem_;
  std::unique_ptr<Graph> graph_;
};

}  // namespace alexnet::cuda
