// The CUDA device's ops by family, one file each; kernel_table.cc puts them in the table.
// Invariant: an op reads its inputs in any order, creates its outputs, and returns before they are computed.
#pragma once

#include "cuda/backend.h"

namespace alexnet::cuda {

// convolution.cc
void Conv2dForward(CudaBackend& backend, OpCall& call);
void Conv2dBackwardData(CudaBackend& backend, OpCall& call);
void Conv2dBackwardWeights(CudaBackend& backend, OpCall& call);
// linear.cc
void LinearForward(CudaBackend& backend, OpCall& call);
void LinearBackwardData(CudaBackend& backend, OpCall& call);
void LinearBackwardWeights(CudaBackend& backend, OpCall& call);
// activation.cc
void ReluForward(CudaBackend& backend, OpCall& call);
void ReluBackward(CudaBackend& backend, OpCall& call);
void TanhForward(CudaBackend& backend, OpCall& call);
void TanhBackward(CudaBackend& backend, OpCall& call);
void SigmoidForward(CudaBackend& backend, OpCall& call);
void SigmoidBackward(CudaBackend& backend, OpCall& call);
// lrn.cc
void LrnForward(CudaBackend& backend, OpCall& call);
void LrnBackward(CudaBackend& backend, OpCall& call);
// lrn_within.cc
void LrnWithinForward(CudaBackend& backend, OpCall& call);
void LrnWithinBackward(CudaBackend& backend, OpCall& call);
// pooling.cc
void MaxPool2dForward(CudaBackend& backend, OpCall& call);
void MaxPool2dBackward(CudaBackend& backend, OpCall& call);
void AvgPool2dForward(CudaBackend& backend, OpCall& call);
void AvgPool2dBackward(CudaBackend& backend, OpCall& call);
// lrn_max_pool.cc
void LrnMaxPool2dForward(CudaBackend& backend, OpCall& call);
void LrnMaxPool2dBackward(CudaBackend& backend, OpCall& call);
// loss.cc
void SoftmaxForward(CudaBackend& backend, OpCall& call);
void SoftmaxBackward(CudaBackend& backend, OpCall& call);
void CrossEntropyForward(CudaBackend& backend, OpCall& call);
void CrossEntropyBackward(CudaBackend& backend, OpCall& call);
void LabelRank(CudaBackend& backend, OpCall& call);
void TopK(CudaBackend& backend, OpCall& call);
// random.cc
void Gaussian(CudaBackend& backend, OpCall& call);
void Uniform(CudaBackend& backend, OpCall& call);
void Dropout(CudaBackend& backend, OpCall& call);
// elementwise.cc
void Fill(CudaBackend& backend, OpCall& call);
void Reshape(CudaBackend& backend, OpCall& call);
void Affine(CudaBackend& backend, OpCall& call);
void Clamp(CudaBackend& backend, OpCall& call);
void ScaleBy(CudaBackend& backend, OpCall& call);
void Add(CudaBackend& backend, OpCall& call);
void Multiply(CudaBackend& backend, OpCall& call);
void Sum(CudaBackend& backend, OpCall& call);
void SumSquares(CudaBackend& backend, OpCall& call);
// cast.cc
void Cast(CudaBackend& backend, OpCall& call);
// optimizer.cc
void Sgd(CudaBackend& backend, OpCall& call);
void UpdateLossScale(CudaBackend& backend, OpCall& call);
void Average(CudaBackend& backend, OpCall& call);
void ClipScale(CudaBackend& backend, OpCall& call);
// augment.cc
void Augment(CudaBackend& backend, OpCall& call);

}  // namespace alexnet::cuda
