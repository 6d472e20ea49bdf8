// Which kernel computes which op.
// Invariant: every op of op_table.def is here.
#include "cpu/kernels.h"

namespace alexnet::cpu {

const std::unordered_map<std::string, Kernel>& KernelTable() {
  static const std::unordered_map<std::string, Kernel> table = {
      {"fill", Fill},
      {"gaussian", Gaussian},
      {"uniform", Uniform},
      {"cast", Cast},
      {"reshape", Reshape},
      {"affine", Affine},
      {"add", Add},
      {"multiply", Multiply},
      {"sum", Sum},
      {"sumSquares", SumSquares},
      {"clamp", Clamp},
      {"scaleBy", ScaleBy},
      {"conv2dForward", Conv2dForward},
      {"conv2dBackwardData", Conv2dBackwardData},
      {"conv2dBackwardWeights", Conv2dBackwardWeights},
      {"linearForward", LinearForward},
      {"linearBackwardData", LinearBackwardData},
      {"linearBackwardWeights", LinearBackwardWeights},
      {"quantize", Quantize},
      {"dequantize", Dequantize},
      {"quantizeWeights", QuantizeWeights},
      {"conv2dInt8", Conv2dInt8},
      {"linearInt8", LinearInt8},
      {"lrnInt8", LrnForward},
      {"reluForward", ReluForward},
      {"reluBackward", ReluBackward},
      {"tanhForward", TanhForward},
      {"tanhBackward", TanhBackward},
      {"sigmoidForward", SigmoidForward},
      {"sigmoidBackward", SigmoidBackward},
      {"lrnForward", LrnForward},
      {"lrnBackward", LrnBackward},
      {"lrnWithinForward", LrnWithinForward},
      {"lrnWithinBackward", LrnWithinBackward},
      {"maxPool2dForward", MaxPool2dForward},
      {"maxPool2dBackward", MaxPool2dBackward},
      {"avgPool2dForward", AvgPool2dForward},
      {"avgPool2dBackward", AvgPool2dBackward},
      {"lrnMaxPool2dForward", LrnMaxPool2dForward},
      {"lrnMaxPool2dBackward", LrnMaxPool2dBackward},
      {"dropout", Dropout},
      {"softmaxForward", SoftmaxForward},
      {"softmaxBackward", SoftmaxBackward},
      {"crossEntropyForward", CrossEntropyForward},
      {"crossEntropyBackward", CrossEntropyBackward},
      {"labelRank", LabelRank},
      {"topK", TopK},
      {"sgd", Sgd},
      {"updateLossScale", UpdateLossScale},
      {"average", Average},
      {"clipScale", ClipScale},
      {"augment", Augment},
  };
  return table;
}

}  // namespace alexnet::cpu
