// Builds the graph with cudnn-frontend and lets cuDNN's heuristics choose among the plans that the options
// allow.
// Invariant: the only file that includes cudnn-frontend; its failures become Errors.
#include "cuda/convolution_graph.h"

#include <cudnn_frontend.h>

#include <mutex>
#include <optional>
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

/** Before it has a plan, a graph that fails is one that cuDNN does not have: another way may do. */
void Succeed(fe::error_t error, const char* step, ErrorCode code = ErrorCode::kUnsupported) {
  if (!error.is_good()) throw Error(code, Message("cuDNN, ", step, ": ", error.get_message()));
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

/** The problem as a line of the plan file has it: everything that decides which plans there are. */
std::string Spell(const ConvolutionProblem& problem, const CudaOptions& options) {
  static const char* const kinds[] = {"forward", "backward data", "backward weights"};
  return Message(kinds[static_cast<int>(problem.kind)], " x ", ToString(problem.x), " w ",
                 ToString(problem.w), " y ", ToString(problem.y), " stride ",
                 ToString(Shape(List(problem.stride))), " padding ", ToString(Shape(List(problem.padding))),
                 " ", ToString(problem.input), " to ", ToString(problem.output),
                 problem.order == Order::kChannelsLast ? " NHWC" : " NCHW", problem.bias ? " bias" : "",
                 problem.relu ? " relu" : "", options.tf32 ? " tf32" : "",
                 options.deterministic ? " deterministic" : "", " within ", options.workspace_limit_bytes);
}

}  // namespace

struct ConvolutionGraph::Graph {
  explicit Graph(const ConvolutionProblem& problem) : has_bias(problem.bias) {
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

  void Build(CudaBackend& backend, const ConvolutionProblem& problem) {
    const CudaOptions& options = backend.options();
    Succeed(graph.validate(), "validate");
    Succeed(graph.build_operation_graph(backend.gpu().cudnn()), "build_operation_graph");
    Succeed(graph.create_execution_plans({fe::HeurMode_t::A, fe::HeurMode_t::FALLBACK}),
            "create_execution_plans");
    graph.deselect_workspace_greater_than(static_cast<int64_t>(options.workspace_limit_bytes));
    const std::vector<fe::NumericalNote_t> unwanted = Unwanted(options, problem.input);
    if (!unwanted.empty()) graph.deselect_numeric_notes(unwanted);
    const std::string key = Spell(problem, options);
    if (!BuildKnown(backend.plan_file().Find(key))) {
      options.measure_plans ? BuildFastest(backend, problem) : BuildSuggested();
    }
    Succeed(graph.get_workspace_size_plan_at_index(plan, workspace_bytes), "get_workspace_size");
    Succeed(graph.get_plan_name_at_index(plan, name), "get_plan_name");
    backend.plan_file().Add(key, name);
  }

  static std::vector<fe::NumericalNote_t> Unwanted(const CudaOptions& options, DType input) {
    std::vector<fe::NumericalNote_t> unwanted;
    if (options.deterministic) unwanted.push_back(fe::NumericalNote_t::NONDETERMINISTIC);
    if (input == DType::kFloat32 && !options.tf32) {
      // For float32, tensor cores mean TF32.
      unwanted.insert(unwanted.end(),
                      {fe::NumericalNote_t::TENSOR_CORE, fe::NumericalNote_t::DOWN_CONVERT_INPUTS,
                       fe::NumericalNote_t::REDUCED_PRECISION_REDUCTION});
    }
    return unwanted;
  }

  /** The plan of that name, if cuDNN suggests it still. */
  bool BuildKnown(const std::optional<std::string>& known) {
    for (int64_t i = 0; known && i < graph.get_execution_plan_count(); ++i) {
      std::string found;
      if (graph.get_plan_name_at_index(i, found).is_bad() || found != *known) continue;
      if (graph.build_plan_at_index(i).is_bad()) return false;
      plan = i;
      return true;
    }
    return false;
  }

  /** cuDNN's first suggestion that it can build. */
  void BuildSuggested() {
    std::string reasons;
    for (int64_t i = 0; i < graph.get_execution_plan_count(); ++i) {
      auto status = graph.build_plan_at_index(i);
      if (status.is_good()) {
        plan = i;
        return;
      }
      reasons = status.get_message();
    }
    throw Error(ErrorCode::kUnsupported, Message("cuDNN, build_plan: ", reasons));
  }

  /** The fastest of all suggestions, each run on memory of its own. */
  void BuildFastest(CudaBackend& backend, const ConvolutionProblem& problem) {
    const auto scratch = [&](const Shape& shape) {
      return Buffer{problem.order,
                    backend.Allocate(static_cast<size_t>(ElementCount(shape)) * sizeof(float))};
    };
    const Buffer x = scratch(problem.x), w = scratch(problem.w), y = scratch(problem.y);
    const Buffer bias = scratch({problem.y[1]});
    const bool forward = problem.kind == ConvolutionKind::kForward;
    const bool data = problem.kind == ConvolutionKind::kBackwardData;
    double least = 0;
    for (int64_t i = 0; i < graph.get_execution_plan_count(); ++i) {
      if (graph.build_plan_at_index(i).is_bad()) continue;
      const double time = Measure(backend, i, data ? w : x, forward ? w : y, bias,
                                  forward ? y
                                  : data  ? x
                                          : w);
      if (plan >= 0 && time >= least) continue;
      least = time;
      plan = i;
    }
    if (plan < 0)
      throw Error(ErrorCode::kUnsupported, "cuDNN, build_plan: none of the suggestions can be built");
  }

  /** Milliseconds, the least of three after one that is not counted. */
  double Measure(CudaBackend& backend, int64_t index, const Buffer& first, const Buffer& second,
                 const Buffer& bias, const Buffer& output) const {
    double least = 0;
    for (int run = 0; run < 4; ++run) {
      const Event begin(backend.gpu());
      Execute(backend, index, first, second, bias, output);
      const Event end(backend.gpu());
      ALEXNET_DRIVER_CALL(backend.gpu().libraries(), cuStreamSynchronize(backend.gpu().stream()));
      const double time = end.MillisecondsSince(begin);
      if (run == 1 || (run > 1 && time < least)) least = time;
    }
    return least;
  }

  void Execute(CudaBackend& backend, int64_t index, const Buffer& first, const Buffer& second,
               const Buffer& bias, const Buffer& output) const {
    std::unordered_map<int64_t, void*> tensors = {
        {kFirst, first.data()}, {kSecond, second.data()}, {kOutput, output.data()}};
    if (has_bias) tensors.emplace(kBias, bias.data());
    int64_t bytes = 0;
    Succeed(graph.get_workspace_size_plan_at_index(index, bytes), "get_workspace_size");
    const Block workspace = bytes == 0 ? nullptr : backend.Allocate(static_cast<size_t>(bytes));
    Succeed(graph.execute_plan_at_index(backend.gpu().cudnn(), tensors, workspace.get(), index), "execute",
            ErrorCode::kNative);
  }

  fe::graph::Graph graph;
  bool has_bias = false;
  int64_t plan = -1, workspace_bytes = 0;
  std::string name;
};

ConvolutionGraph::ConvolutionGraph(CudaBackend& backend, const ConvolutionProblem& problem)
    : problem_(problem) {
  static std::once_flag connected;
  std::call_once(connected, [&] { fe::cudnn_dlhandle = backend.gpu().libraries().cudnn_handle; });
  graph_ = std::make_unique<Graph>(problem);
  graph_->Build(backend, problem);
}

ConvolutionGraph::~ConvolutionGraph() = default;

void ConvolutionGraph::Run(CudaBackend& backend, const Buffer& first, const Buffer& second,
                           const Buffer& bias, const Buffer& output) const {
  graph_->Execute(backend, graph_->plan, first, second, bias, output);
}

std::string ConvolutionGraph::description() const {
  return Message("cuDNN ", graph_->name, problem_.order == Order::kChannelsLast ? ", NHWC" : ", NCHW",
                 problem_.bias || problem_.relu ? ", fused" : "", ", workspace ",
                 graph_->workspace_bytes >> 10, " KiB");
}

}  // namespace alexnet::cuda
