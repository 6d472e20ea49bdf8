// Convolution on cuDNN's graph API: forward with bias and ReLU fused, gradients of data and of weights.
// Invariant: channels-last and fused is tried first; what cuDNN has no plan for is tried unfused, then
// row-major, and the last refusal says which problem it was. Padding that differs between two sides is
// written out: cuDNN's plans want it the same.
#include "cuda/bias.h"
#include "cuda/convolution_graph.h"
#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

struct Padding {
  int64_t top, bottom, left, right;

  explicit Padding(const OpCall& call)
      : top(call.Integer("padTop")),
        bottom(call.Integer("padBottom")),
        left(call.Integer("padLeft")),
        right(call.Integer("padRight")) {}
  bool IsSymmetric() const { return top == bottom && left == right; }
  Shape Padded(const Shape& x) const { return {x[0], x[1], x[2] + top + bottom, x[3] + left + right}; }
};

/** Pictures of one shape put into those of another, x's first pixel at (top, left) of y. */
Buffer Place(CudaBackend& backend, const Buffer& x, const Shape& from, const Shape& to, DType dtype,
             int64_t top, int64_t left) {
  const int64_t elements = ElementCount(to);
  const Buffer y = {Order::kChannelsLast,
                    backend.Allocate(static_cast<size_t>(Index(elements)) * SizeOf(dtype))};
  const PlaceGeometry place = {Index(from[0]), Index(from[1]), Index(from[2]), Index(from[3]),
                               Index(to[2]),   Index(to[3]),   Index(top),     Index(left)};
  backend.gpu().Launch(SizeOf(dtype) == 4 ? "place_32" : "place_16", backend.gpu().Spread(elements), x.data(),
                       y.data(), place);
  return y;
}

/** x in an order, with the padding written out if cuDNN does not add it. */
Buffer Source(CudaBackend& backend, const OpCall& call, const Tensor& x, Order order) {
  const Padding padding(call);
  if (padding.IsSymmetric()) return In(backend, x, order);
  const Shape padded = padding.Padded(x.shape);
  const Buffer placed =
      Place(backend, Pictures(backend, x), x.shape, padded, x.dtype, padding.top, padding.left);
  return Reorder(backend, placed, padded, x.dtype, order);
}

ConvolutionProblem ProblemOf(const OpCall& call, ConvolutionKind kind, const Shape& x, const Shape& w,
                             const Shape& y) {
  ConvolutionProblem problem = {};
  problem.kind = kind;
  problem.x = x;
  problem.w = w;
  problem.y = y;
  problem.stride = {call.Integer("strideH"), call.Integer("strideW")};
  const Padding padding(call);
  if (padding.IsSymmetric()) {
    problem.padding = {padding.top, padding.left};
  } else {
    problem.x = padding.Padded(x);
  }
  problem.input = call.inputs[1]->dtype;
  problem.output = call.outputs[0]->dtype;
  problem.order = Order::kChannelsLast;
  return problem;
}

/** The ways to compute a problem, the fastest first. */
std::vector<ConvolutionProblem> Ways(const ConvolutionProblem& problem) {
  std::vector<ConvolutionProblem> ways = {problem};
  ConvolutionProblem way = problem;
  if (problem.bias || problem.relu) {
    way.bias = way.relu = false;
    ways.push_back(way);
  }
  if (problem.output != problem.input) {
    way.output = problem.input;
    ways.push_back(way);
  }
  way.order = Order::kRowMajor;
  ways.push_back(way);
  return ways;
}

std::shared_ptr<const Plan> PlanFor(CudaBackend& backend, const OpCall& call,
                                    const ConvolutionProblem& problem) {
  return backend.plans().Get(call, PlanKey(call), [&]() -> Plan {
    backend.LeaveGraph();
    std::string reason;
    for (const ConvolutionProblem& way : Ways(problem)) {
      try {
        auto graph = std::make_shared<const ConvolutionGraph>(backend, way);
        return {graph, graph->description()};
      } catch (const Error& error) {
        if (error.code() != ErrorCode::kUnsupported) throw;
        reason = error.what();
      }
    }
    throw Error(ErrorCode::kUnsupported,
                Message("cuDNN has no plan for ", call.op->name, " of x ", ToString(problem.x), ", w ",
                        ToString(problem.w), ", y ", ToString(problem.y), " in ", ToString(problem.input),
                        "; raise workspaceLimitBytes, or allow plans that are not deterministic. ", reason));
  });
}

/** Runs a plan into `tensor`, through a buffer of the type and order that the plan writes. */
void RunInto(CudaBackend& backend, const ConvolutionGraph& graph, const Buffer& first, const Buffer& second,
             const Buffer& bias, Tensor& tensor) {
  const ConvolutionProblem& problem = graph.problem();
  if (problem.output == tensor.dtype)
    return graph.Run(backend, first, second, bias, backend.Create(tensor, problem.order));
  const Buffer low = {problem.order,
                      backend.Allocate(static_cast<size_t>(tensor.elements()) * SizeOf(problem.output))};
  graph.Run(backend, first, second, bias, low);
  tensor.storage =
      std::make_shared<CudaStorage>(Convert(backend, low, tensor.elements(), problem.output, tensor.dtype));
}

}  // namespace

void Conv2dForward(CudaBackend& backend, OpCall& call) {
  const Tensor &x = *call.inputs[0], &w = *call.inputs[1];
  const TensorPtr& b = call.inputs[2];
  Tensor& y = *call.outputs[0];
  ConvolutionProblem problem = ProblemOf(call, ConvolutionKind::kForward, x.shape, w.shape, y.shape);
  problem.input = x.dtype;
  problem.bias = b != nullptr;
  problem.relu = call.Flag("relu");
  const auto plan = PlanFor(backend, call, problem);
  const auto& graph = plan->as<ConvolutionGraph>();
  const ConvolutionProblem& way = graph.problem();
  const bool fused = way.bias == problem.bias && way.relu == problem.relu;
  const Buffer bias =
      !b ? Buffer{} : Weights(backend, *b, Order::kRowMajor, way.bias ? x.dtype : DType::kFloat32);
  RunInto(backend, graph, Source(backend, call, x, way.order), Weights(backend, w, way.order, x.dtype), bias,
          y);
  if (fused) return;
  const bool last = way.order == Order::kChannelsLast;
  AddBiasRelu(backend, y, bias.as<const float>(), y.shape[1], last ? 1 : y.shape[2] * y.shape[3],
              problem.relu);
}

void Conv2dBackwardData(CudaBackend& backend, OpCall& call) {
  const Tensor &w = *call.inputs[0], &dy = *call.inputs[1];
  Tensor& dx = *call.outputs[0];
  const auto plan =
      PlanFor(backend, call, ProblemOf(call, ConvolutionKind::kBackwardData, dx.shape, w.shape, dy.shape));
  const auto& graph = plan->as<ConvolutionGraph>();
  const Order order = graph.problem().order;
  const Buffer weights = Weights(backend, w, order, dy.dtype), gradient = In(backend, dy, order);
  const Padding padding(call);
  if (padding.IsSymmetric()) return RunInto(backend, graph, weights, gradient, {}, dx);
  Tensor padded(dx.dtype, padding.Padded(dx.shape));
  RunInto(backend, graph, weights, gradient, {}, padded);
  dx.storage = std::make_shared<CudaStorage>(Place(backend, Pictures(backend, padded), padded.shape, dx.shape,
                                                   dx.dtype, -padding.top, -padding.left));
}

void Conv2dBackwardWeights(CudaBackend& backend, OpCall& call) {
  const Tensor &x = *call.inputs[0], &dy = *call.inputs[1];
  Tensor& dw = *call.outputs[0];
  const auto plan =
      PlanFor(backend, call, ProblemOf(call, ConvolutionKind::kBackwardWeights, x.shape, dw.shape, dy.shape));
  const auto& graph = plan->as<ConvolutionGraph>();
  const Order order = graph.problem().order;
  RunInto(backend, graph, Source(backend, call, x, order), In(backend, dy, order), {}, dw);
  if (!call.outputs[1]) return;
  SumColumns(backend, Pictures(backend, dy), dy.dtype, dy.shape[0] * dy.shape[2] * dy.shape[3], dy.shape[1],
             *call.outputs[1]);
}

}  // namespace alexnet::cuda
