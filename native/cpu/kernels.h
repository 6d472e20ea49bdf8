// The CPU's kernels by family, one file each; kernel_table.cc puts them in the table.
// Invariant: a kernel reads its inputs in any layout and creates its outputs.
#pragma once

#include "cpu/backend.h"

namespace alexnet::cpu {

// convolution.cc
void Conv2dForward(CpuBackend& backend, OpCall& call);
void Conv2dBackwardData(CpuBackend& backend, OpCall& call);
void Conv2dBackwardWeights(CpuBackend& backend, OpCall& call);
// linear.cc
void LinearForward(CpuBackend& backend, OpCall& call);
void LinearBackwardData(CpuBackend& backend, OpCall& call);
void LinearBackwardWeights(CpuBackend& backend, OpCall& call);
// int8.cc
void Conv2dInt8(CpuBackend& backend, OpCall& call);
void LinearInt8(CpuBackend& backend, OpCall& call);
// quantization.cc
void Quantize(CpuBackend& backend, OpCall& call);
void Dequantize(CpuBackend& backend, OpCall& call);
void QuantizeWeights(CpuBackend& backend, OpCall& call);
// activation.cc
void ReluForward(CpuBackend& backend, OpCall& call);
void ReluBackward(CpuBackend& backend, OpCall& call);
void TanhForward(CpuBackend& backend, OpCall& call);
void TanhBackward(CpuBackend& backend, OpCall& call);
void SigmoidForward(CpuBackend& backend, OpCall& call);
void SigmoidBackward(CpuBackend& backend, OpCall& call);
// lrn.cc
void LrnForward(CpuBackend& backend, OpCall& call);
void LrnBackward(CpuBackend& backend, OpCall& call);
// lrn_within.cc
void LrnWithinForward(CpuBackend& backend, OpCall& call);
void LrnWithinBackward(CpuBackend& backend, OpCall& call);
// pooling.cc
void MaxPool2dForward(CpuBackend& backend, OpCall& call);
void MaxPool2dBackward(CpuBackend& backend, OpCall& call);
void AvgPool2dForward(CpuBackend& backend, OpCall& call);
void AvgPool2dBackward(CpuBackend& backend, OpCall& call);
// lrn_max_pool.cc
void LrnMaxPool2dForward(CpuBackend& backend, OpCall& call);
void LrnMaxPool2dBackward(CpuBackend& backend, OpCall& call);
// loss.cc
void SoftmaxForward(CpuBackend& backend, OpCall& call);
void SoftmaxBackward(CpuBackend& backend, OpCall& call);
void CrossEntropyForward(CpuBackend& backend, OpCall& call);
void CrossEntropyBackward(CpuBackend& backend, OpCall& call);
void LabelRank(CpuBackend& backend, OpCall& call);
void TopK(CpuBackend& backend, OpCall& call);
// random.cc
void Gaussian(CpuBackend& backend, OpCall& call);
void Uniform(CpuBackend& backend, OpCall& call);
void Dropout(CpuBackend& backend, OpCall& call);
// elementwise.cc
void Fill(CpuBackend& backend, OpCall& call);
void Reshape(CpuBackend& backend, OpCall& call);
void Affine(CpuBackend& backend, OpCall& call);
void Add(CpuBackend& backend, OpCall& call);
void Multiply(CpuBackend& backend, OpCall& call);
void Sum(CpuBackend& backend, OpCall& call);
void SumSquares(CpuBackend& backend, OpCall& call);
void Clamp(CpuBackend& backend, OpCall& call);
void ScaleBy(CpuBackend& backend, OpCall& call);
// cast.cc
void Cast(CpuBackend& backend, OpCall& call);
// sgd.cc
void Sgd(CpuBackend& backend, OpCall& call);
// optimizer.cc
void UpdateLossScale(CpuBackend& backend, OpCall& call);
void Average(CpuBackend& backend, OpCall& call);
void ClipScale(CpuBackend& backend, OpCall& call);
// augment.cc
void Augment(CpuBackend& backend, OpCall& call);

}  // namespace alexnet::cpu
