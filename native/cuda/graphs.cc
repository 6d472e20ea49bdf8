// Captures the stream, updates the executable of the same ops or makes one, launches it.
// Invariant: a capture that was begun is ended, whatever happens between.
#include "cuda/graphs.h"

#include <algorithm>
#include <functional>

#include "core/error.h"

namespace alexnet::cuda {
namespace {

void Mix(size_t& key, size_t value) {
  key ^= value + 0x9E3779B97F4A7C15u + (key << 6) + (key >> 2);
}

void Mix(size_t& key, const std::vector<TensorPtr>& tensors) {
  for (const TensorPtr& tensor : tensors) {
    Mix(key, tensor ? static_cast<size_t>(tensor->dtype) + 1 : 0);
    if (!tensor) continue;
    for (const int64_t extent : tensor->shape) Mix(key, static_cast<size_t>(extent));
  }
}

}  // namespace

Graphs::~Graphs() {
  const DriverFunctions& driver = gpu_.libraries().driver;
  CUgraph graph = nullptr;
  if (gathering_ && driver.cuStreamEndCapture(gpu_.stream(), &graph) == CUDA_SUCCESS)
    driver.cuGraphDestroy(graph);
  driver.cuStreamSynchronize(gpu_.stream());
  for (const auto& [key, executable] : executables_) driver.cuGraphExecDestroy(executable);
}

void Graphs::End() {
  wanted_ = false;
  Launch();
}

void Graphs::Add(const OpCall& call) {
  if (!wanted_) return;
  if (!gathering_) {
    // Relaxed: the allocator may still ask the driver for memory.
    ALEXNET_DRIVER_CALL(gpu_.libraries(),
                        cuStreamBeginCapture(gpu_.stream(), CU_STREAM_CAPTURE_MODE_RELAXED));
    gathering_ = true;
    key_ = 0;
  }
  Mix(key_, std::hash<std::string>()(call.op->name));
  Mix(key_, call.inputs);
  Mix(key_, call.outputs);
  for (const TensorPtr& output : call.outputs) {
    if (output) written_.push_back(output);
  }
  // An op without outputs changes its first input.
  if (call.outputs.empty() && call.inputs[0]) written_.push_back(call.inputs[0]);
}

void Graphs::Launch() {
  if (!gathering_) return;
  gathering_ = false;
  CUgraph graph = nullptr;
  try {
    ALEXNET_DRIVER_CALL(gpu_.libraries(), cuStreamEndCapture(gpu_.stream(), &graph));
    Run(graph);
  } catch (const std::exception& error) {
    if (graph != nullptr) gpu_.libraries().driver.cuGraphDestroy(graph);
    Fail(error.what());
    throw;
  }
  gpu_.libraries().driver.cuGraphDestroy(graph);
  written_.clear();
}

void Graphs::Run(CUgraph graph) {
  ALEXNET_DRIVER_CALL(gpu_.libraries(), cuGraphLaunch(Executable(graph), gpu_.stream()));
}

CUgraphExec Graphs::Executable(CUgraph graph) {
  const Libraries& libraries = gpu_.libraries();
  const auto found = std::find_if(executables_.begin(), executables_.end(),
                                  [this](const auto& entry) { return entry.first == key_; });
  if (found != executables_.end()) {
    executables_.splice(executables_.begin(), executables_, found);
    CUgraphExecUpdateResultInfo difference = {};
    auto* const executable = executables_.front().second;
    if (libraries.driver.cuGraphExecUpdate(executable, graph, &difference) == CUDA_SUCCESS) return executable;
  }
  const bool replaces = found != executables_.end();
  if (replaces || executables_.size() == kMostExecutables) {
    const auto old = replaces ? executables_.begin() : std::prev(executables_.end());
    // It may still be running.
    ALEXNET_DRIVER_CALL(libraries, cuStreamSynchronize(gpu_.stream()));
    libraries.driver.cuGraphExecDestroy(old->second);
    executables_.erase(old);
  }
  CUgraphExec executable = nullptr;
  ALEXNET_DRIVER_CALL(libraries, cuGraphInstantiateWithFlags(&executable, graph, 0));
  executables_.emplace_front(key_, executable);
  return executable;
}

void Graphs::Fail(const char* reason) {
  const auto failure =
      std::make_shared<const Failure>(Failure{ToString(ErrorCode::kNative), reason, "graph", ""});
  for (const std::weak_ptr<Tensor>& written : written_) {
    if (const TensorPtr tensor = written.lock()) tensor->failure = failure;
  }
  written_.clear();
}

}  // namespace alexnet::cuda
