// Builds the graph with cudnn-frontend and lets cuDNN's heuristics choose among the plans that the options
// allow. Invariant: the only file that includes cudnn-frontend; its failures become Errors.
#include "cuda/convolution_graph.h"

#include <cudnn_frontend.h>

#include <mutex>
#include <unordered_map>
#include <vector>

namespace cudnn_frontend {
// Where cudnn-frontend looks up cuDNN's functions; it defines the name and leaves the variable to us.
void* cudnn_dlhandle = nullptr;
}  // namespace cudnn_frontend

namespace alexnet::cuda {
namespace {

namespace fe = cudnn_frontend;
using TensorAttributes = fe::graph::Tensor_attributes;
using TensorPointer = std::shared_ptr<TensorAttributes>;

enum Uid : int64_t { kFirst = 1, kSecond, kBias, kOutput };

fe::DataType_t TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return fe::DataType_t::HALF;
    case DType::kBFloat16:
      return fe::DataType_t::BFLOAT16;
    default:
      return fe::DataType_t::FLOAT;
  }
}

std::vector<int64_t> Strides(const Shape& shape, Order order) {
  const int64_t c = shape[1], h = shape[2], w = shape[3];
  if (order == Order::kRowMajor) return {c * h * w, h * w, w, 1};
  return {c * h * w, 1, w * c, c};
}

void Succeed(fe::error_t error, const char* step) {
  if (error.is_good()) return;
  using Code = fe::error_code_t;
  const bool unsupported = error.get_code() == Code::GRAPH_NOT_SUPPORTED ||
                           error.get_code() == Code::HEURISTIC_QUERY_FAILED ||
                           error.get_code() == Code::GRAPH_EXECUTION_PLAN_CREATION_FAILED;
  throw Error(unsupported ? ErrorCode::kUnsupported : ErrorCode::kNative,
              Message("cuDNN, ", step, ": ", error.get_message()));
}

std::vector<int64_t> List(const std::array<int64_t, 2>& values) {
  return {values.begin(), values.end()};
}

template <typename Attributes>
Attributes Window(const ConvolutionProblem& problem) {
  Attributes attributes;
  attributes.set_padding(List(problem.padding)).set_stride(List(problem.stride)).set_dilation({1, 1});
  return attributes;
}

}  // namespace

struct ConvolutionGraph::Graph {
  explicit Graph(const ConvolutionProblem& problem) {
    graph.set_io_data_type(TypeOf(problem.input))
        .set_intermediate_data_type(fe::DataType_t::FLOAT)
        .set_compute_data_type(fe::DataType_t::FLOAT);
    const TensorPointer output = Add(problem);
    const Shape& shape = problem.kind == ConvolutionKind::kForward        ? problem.y
                         : problem.kind == ConvolutionKind::kBackwardData ? problem.x
                                                                          : problem.w;
    output->set_output(true)
        .set_uid(kOutput)
        .set_dim(shape)
        .set_stride(Strides(shape, problem.order))
        .set_data_type(TypeOf(problem.output));
  }

  TensorPointer Tensor(const char* name, Uid uid, const Shape& shape, const ConvolutionProblem& problem) {
    return graph.tensor(TensorAttributes()
                            .set_name(name)
                            .set_uid(uid)
                            .set_dim(shape)
                            .set_stride(Strides(shape, problem.order))
                            .set_data_type(TypeOf(problem.input)));
  }

  TensorPointer Add(const ConvolutionProblem& problem) {
    switch (problem.kind) {
      case ConvolutionKind::kForward:
        return AddForward(problem);
      case ConvolutionKind::kBackwardData:
        return graph.conv_dgrad(Tensor("dy", kSecond, problem.y, problem),
                                Tensor("w", kFirst, problem.w, problem),
                                Window<fe::graph::Conv_dgrad_attributes>(problem));
      case ConvolutionKind::kBackwardWeights:
        break;
    }
    return graph.conv_wgrad(Tensor("dy", kSecond, problem.y, problem),
                            Tensor("x", kFirst, problem.x, problem),
                            Window<fe::graph::Conv_wgrad_attributes>(problem));
  }

  TensorPointer AddForward(const ConvolutionProblem& problem) {
    TensorPointer y =
        graph.conv_fprop(Tensor("x", kFirst, problem.x, problem), Tensor("w", kSecond, problem.w, problem),
                         Window<fe::graph::Conv_fprop_attributes>(problem));
    if (problem.bias) {
      const TensorPointer b = Tensor("b", kBias, {1, problem.y[1], 1, 1}, problem);
      y = graph.pointwise(y, b, fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::ADD));
    }
    if (problem.relu) {
      y = graph.pointwise(y, fe::graph::Pointwise_attributes().set_mode(fe::PointwiseMode_t::RELU_FWD));
    }
    return y;
  }

  void Build(CudaBackend& backend, DType input) {
    const cudnnHandle_t handle = backend.gpu().cudnn();
    const CudaOptions& options = backend.options();
    Succeed(graph.validate(), "validate");
    Succeed(graph.build_operation_graph(handle), "build_operation_graph");
    Succeed(graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}),
            "create_execution_plans");
    graph.deselect_workspace_greater_than(static_cast<int64_t>(options.workspace_limit_bytes));
    std::vector<fe::NumericalNote_t> unwanted;
    if (options.deterministic) unwanted.push_back(fe::NumericalNote_t::NONDETERMINISTIC);
    if (input == DType::kFloat32 && !options.tf32) {
      // For float32, tensor cores mean TF32.
      unwanted.insert(unwanted.end(),
                      {fe::NumericalNote_t::TENSOR_CORE, fe::NumericalNote_t::DOWN_CONVERT_INPUTS,
                       fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION});
    }
    if (!unwanted.empty()) graph.deselect_numeric_notes(unwanted);
    Succeed(graph.build_plans(fe::BuildPlanPolicy_t::HEURISTICS_CHOICE), "build_plans");
    Succeed(graph.get_workspace_size(workspace_bytes), "get_workspace_size");
    Succeed(graph.get_plan_name(name), "get_plan_name");
  }

  fe::graph::Graph graph;
  int64_t workspace_bytes = 0;
  std::string name;
};

ConvolutionGraph::ConvolutionGraph(CudaBackend& backend, const ConvolutionProblem& problem)
    : problem_(problem) {
  static std::once_flag connected;
  std::call_once(connected, [&] { fe::cudnn_dlhandle = backend.gpu().libraries().cudnn_handle; });
  graph_ = std::make_unique<Graph>(problem);
  graph_->Build(backend, problem.input);
}

ConvolutionGraph::~ConvolutionGraph() = default;

void ConvolutionGraph::Run(CudaBackend& backend, const Buffer& first, const Buffer& second,
                           const Buffer& bias, const Buffer& output) const {
  std::unordered_map<int64_t, void*> tensors = {
      {kFirst, first.data()}, {kSecond, second.data()}, {kOutput, output.data()}};
  if (problem_.bias) tensors.emplace(kBias, bias.data());
  const auto bytes = static_cast<size_t>(graph_->workspace_bytes);
  const Block workspace = bytes == 0 ? nullptr : backend.Allocate(bytes);
  Succeed(graph_->graph.execute(backend.gpu().cudnn(), tensors, workspace.get()), "execute");
}

std::string ConvolutionGraph::description() const {
  return Message("cuDNN ", graph_->name, problem_.order == Order::kChannelsLast ? ", NHWC" : ", NCHW",
                 problem_.bias || problem_.relu ? ", fused" : "", ", workspace ",
                 graph_->workspace_bytes >> 10, " KiB");
}

}  // namespace alexnet::cuda
