// Convolution forward with a bias and a ReLU behind it, backward-data, and backward-filter.
// Invariant: a graph is read from its descriptors alone; tensors are told apart by their unique ids.
#include "cudnn_engines.h"

#include <algorithm>
#include <cmath>

#include "cudnn_call.h"

namespace simulation {
namespace {

/** The attributes of one direction of convolution. */
struct Direction {
  cudnnBackendDescriptorType_t type;
  const char* name;
  cudnnBackendAttributeName_t x, w, y, convolution, alpha, beta;
};

constexpr Direction kDirections[] = {
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR, "convolution forward",
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR, "convolution backward-data",
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA},
    {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR, "convolution backward-filter",
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
     CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA},
};

const Direction* DirectionOf(const Descriptor& operation) {
  const auto* found = std::find_if(std::begin(kDirections), std::end(kDirections),
                                   [&](const Direction& d) { return d.type == operation.type; });
  return found == std::end(kDirections) ? nullptr : found;
}

int64_t Uid(const Descriptor& tensor) {
  return tensor.Scalar<int64_t>(CUDNN_ATTR_TENSOR_UNIQUE_ID);
}

bool IsVirtual(const Descriptor& tensor) {
  return tensor.ScalarOr<bool>(CUDNN_ATTR_TENSOR_IS_VIRTUAL, false);
}

Tensor4 Read4(const Descriptor& tensor) {
  const auto dims = tensor.List<int64_t>(CUDNN_ATTR_TENSOR_DIMENSIONS);
  const auto strides = tensor.List<int64_t>(CUDNN_ATTR_TENSOR_STRIDES);
  if (dims.size() != 4) throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "tensors of rank 4 only"};
  Tensor4 result;
  // Values between operations are never stored.
  if (!IsVirtual(tensor)) result.type = NumberOf(tensor.Scalar<cudnnDataType_t>(CUDNN_ATTR_TENSOR_DATA_TYPE));
  std::copy(dims.begin(), dims.end(), result.dims);
  std::copy(strides.begin(), strides.end(), result.strides);
  return result;
}

struct Padding {
  std::vector<int64_t> before, after;
};

ConvolutionProblem ReadProblem(const Descriptor& operation, const Direction& direction, Padding& padding) {
  const Descriptor& convolution = operation.Child(direction.convolution);
  padding.before = convolution.List<int64_t>(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  padding.after = convolution.List<int64_t>(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS);
  const auto strides = convolution.List<int64_t>(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  const auto dilations = convolution.List<int64_t>(CUDNN_ATTR_CONVOLUTION_DILATIONS);
  if (padding.before.size() != 2 || padding.after.size() != 2 || strides.size() != 2 ||
      dilations.size() != 2) {
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, "a convolution of two dimensions has two of everything"};
  }
  return {Read4(operation.Child(direction.x)),
          Read4(operation.Child(direction.w)),
          Read4(operation.Child(direction.y)),
          {padding.before[0], padding.before[1], strides[0], strides[1], dilations[0], dilations[1]}};
}

/** What the documentation of the engines asks for. */
void CheckSupported(const ConvolutionProblem& problem, const Padding& padding, bool fused) {
  const auto nhwc = [](const Tensor4& t) { return t.strides[1] == 1; };
  const auto nchw = [](const Tensor4& t) { return t.strides[3] == 1 && t.strides[2] == t.dims[3]; };
  if (padding.before != padding.after) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_PADDING, "padding that is not the same on both sides"};
  }
  const bool channels_last = nhwc(problem.x) && nhwc(problem.w) && nhwc(problem.y);
  const bool row_major = nchw(problem.x) && nchw(problem.w) && nchw(problem.y);
  if (!channels_last && (fused || !row_major)) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_LAYOUT, "all tensors must be NHWC, or not fused and NCHW"};
  }
  // Engines compiled at run time load channels in 16 bytes.
  const int64_t unit = problem.x.type == Number::kFloat32 ? 4 : 8;
  if (fused && (problem.w.dims[1] % unit != 0 || problem.w.dims[0] % unit != 0)) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_SHAPE,
                     "fused operations want channels in multiples of " + std::to_string(unit)};
  }
}

Operand OperandOf(const Descriptor& tensor, const Tensor4& shape, bool write) {
  return {Uid(tensor), tensor.Scalar<int64_t>(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
          shape.Span() * static_cast<int64_t>(SizeOf(shape.type)), write};
}

/** A bias that is added, or a ReLU. */
struct Pointwise {
  bool relu = false;
  int64_t bias = 0;
  Tensor4 shape;
};

/** What is done to `values`, the tensor that the graph has come to; then moves on to the result. */
Pointwise ReadPointwise(const Descriptor& operation, const Descriptor*& values,
                        std::vector<Operand>& operands) {
  if (operation.type != CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN,
                     "only pointwise operations may follow a convolution"};
  }
  const Descriptor& x = operation.Child(CUDNN_ATTR_OPERATION_POINTWISE_XDESC);
  if (Uid(x) != Uid(*values) || !IsVirtual(*values)) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN,
                     "operations must follow one another through virtual tensors"};
  }
  values = &operation.Child(CUDNN_ATTR_OPERATION_POINTWISE_YDESC);
  const Descriptor& pointwise = operation.Child(CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR);
  Pointwise result;
  switch (pointwise.Scalar<cudnnPointwiseMode_t>(CUDNN_ATTR_POINTWISE_MODE)) {
    case CUDNN_POINTWISE_RELU_FWD:
      if ((pointwise.Has(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP) &&
           pointwise.Real(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP) != 0) ||
          (pointwise.Has(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE) &&
           pointwise.Real(CUDNN_ATTR_POINTWISE_RELU_LOWER_CLIP_SLOPE) != 0)) {
        throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "a ReLU with clips is not simulated"};
      }
      result.relu = true;
      return result;
    case CUDNN_POINTWISE_ADD: {
      const Descriptor& bias = operation.Child(CUDNN_ATTR_OPERATION_POINTWISE_BDESC);
      result.bias = Uid(bias);
      result.shape = Read4(bias);
      const int64_t channels = Read4(*values).dims[1];
      const int64_t* dims = result.shape.dims;
      if (dims[0] != 1 || dims[1] != channels || dims[2] != 1 || dims[3] != 1) {
        throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_SHAPE, "only a bias [1, C, 1, 1] is added"};
      }
      operands.push_back(OperandOf(bias, result.shape, false));
      return result;
    }
    default:
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "a pointwise mode that is not simulated"};
  }
}

double Apply(const std::vector<Pointwise>& pointwise, const std::map<int64_t, void*>& pointers, double value,
             int64_t c) {
  for (const Pointwise& operation : pointwise) {
    // NaN goes through a ReLU, as CUDNN_PROPAGATE_NAN says.
    if (operation.relu)
      value = value < 0 ? 0 : value;
    else
      value += Read(operation.shape.type, pointers.at(operation.bias), c * operation.shape.strides[1]);
  }
  return value;
}

void CompileForward(const std::vector<std::shared_ptr<const Descriptor>>& operations,
                    ConvolutionProblem problem, const Direction& direction, CompiledGraph& compiled) {
  const Descriptor& operation = *operations[0];
  const int64_t x = Uid(operation.Child(direction.x)), w = Uid(operation.Child(direction.w));
  const Descriptor* values = &operation.Child(direction.y);
  std::vector<Pointwise> pointwise;
  for (size_t i = 1; i < operations.size(); ++i) {
    pointwise.push_back(ReadPointwise(*operations[i], values, compiled.operands));
    compiled.name += pointwise.back().relu ? " + ReLU" : " + bias";
  }
  if (IsVirtual(*values)) throw CudnnError{CUDNN_STATUS_BAD_PARAM, "the graph has no output"};
  problem.y = Read4(*values);
  const int64_t y = Uid(*values);
  compiled.operands.push_back(OperandOf(operation.Child(direction.x), problem.x, false));
  compiled.operands.push_back(OperandOf(operation.Child(direction.w), problem.w, false));
  compiled.operands.push_back(OperandOf(*values, problem.y, true));
  compiled.run = [=](const std::map<int64_t, void*>& pointers) {
    ConvolveForward(
        problem, pointers.at(x), pointers.at(w), pointers.at(y),
        [&](double sum, int64_t, int64_t c, int64_t, int64_t) { return Apply(pointwise, pointers, sum, c); });
  };
}

void CompileBackward(const Descriptor& operation, const ConvolutionProblem& problem,
                     const Direction& direction, CompiledGraph& compiled) {
  const bool data = operation.type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR;
  const Descriptor &x = operation.Child(direction.x), &w = operation.Child(direction.w),
                   &y = operation.Child(direction.y);
  compiled.operands = {OperandOf(x, problem.x, data), OperandOf(w, problem.w, !data),
                       OperandOf(y, problem.y, false)};
  compiled.run = [=, x = Uid(x), w = Uid(w), y = Uid(y)](const std::map<int64_t, void*>& pointers) {
    if (data)
      ConvolveBackwardData(problem, pointers.at(w), pointers.at(y), pointers.at(x));
    else
      ConvolveBackwardFilter(problem, pointers.at(x), pointers.at(y), pointers.at(w));
  };
}

}  // namespace

void CheckConvolution(const Descriptor& operation) {
  const Direction* direction = DirectionOf(operation);
  if (!direction) return;
  Padding padding;
  const ConvolutionProblem problem = ReadProblem(operation, *direction, padding);
  const Tensor4 &x = problem.x, &w = problem.w, &y = problem.y;
  const Window& window = problem.window;
  const auto extent = [&](int i, int64_t dilation, int64_t stride) {
    const int64_t taken = dilation * (w.dims[2 + i] - 1) + 1;
    return (x.dims[2 + i] + padding.before[i] + padding.after[i] - taken) / stride + 1;
  };
  const bool groups = w.dims[1] > 0 && x.dims[1] % w.dims[1] == 0 && w.dims[0] % (x.dims[1] / w.dims[1]) == 0;
  const bool shape = y.dims[0] == x.dims[0] && y.dims[1] == w.dims[0] &&
                     y.dims[2] == extent(0, window.dilation_h, window.stride_h) &&
                     y.dims[3] == extent(1, window.dilation_w, window.stride_w);
  if (groups && shape) return;
  throw CudnnError{CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH,
                   std::string(direction->name) + ": shapes do not fit each other"};
}

CompiledGraph Compile(const Descriptor& graph) {
  const auto& operations = graph.values.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors;
  const Descriptor& first = *operations.at(0);
  const Direction* direction = DirectionOf(first);
  if (!direction)
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "a graph must begin with a convolution"};
  if (first.ScalarOr<float>(direction->alpha, 1) != 1 || first.ScalarOr<float>(direction->beta, 0) != 0) {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "alpha other than 1 or beta other than 0 is not simulated"};
  }
  Padding padding;
  const ConvolutionProblem problem = ReadProblem(first, *direction, padding);
  CheckSupported(problem, padding, operations.size() > 1);
  CompiledGraph compiled;
  compiled.name = direction->name;
  if (direction == &kDirections[0]) {
    CompileForward(operations, problem, *direction, compiled);
  } else if (operations.size() == 1) {
    CompileBackward(first, problem, *direction, compiled);
  } else {
    throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN, "nothing may follow a backward convolution"};
  }
  return compiled;
}

std::vector<Engine> EnginesFor(const Descriptor& graph) {
  const auto& operations = graph.values.at(CUDNN_ATTR_OPERATIONGRAPH_OPS).descriptors;
  const bool filter =
      operations.at(0)->type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR;
  // As the library does: the fastest wants memory, and adds gradients of weights in any order.
  Engine fastest{0, int64_t{64} << 20, {CUDNN_NUMERICAL_NOTE_TENSOR_CORE}};
  if (filter) fastest.notes.push_back(CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);
  return {fastest, {1, int64_t{1} << 20, {}}, {2, 0, {}}};
}

}  // namespace simulation
