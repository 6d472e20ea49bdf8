// A step's launches gathered into CUDA graphs: the device then starts each without being told by the host.
// Invariant: what is gathered runs in the order it was asked for, before anything that is asked for later; a
// graph that cannot be launched fails the tensors that it should have written.
#pragma once

#include <list>
#include <memory>
#include <utility>
#include <vector>

#include "core/op_table.h"
#include "cuda/gpu.h"

namespace alexnet::cuda {

class Graphs {
 public:
  explicit Graphs(const Gpu& gpu) : gpu_(gpu) {}
  Graphs(const Graphs&) = delete;
  Graphs& operator=(const Graphs&) = delete;
  ~Graphs();

  /** From now on, ops are gathered. */
  void Begin() { wanted_ = true; }
  /** Launches what was gathered, and gathers no more. */
  void End();
  /** Before the launches of an op. */
  void Add(const OpCall& call);
  /** Launches what was gathered so far: before anything that cannot be part of a graph. */
  void Launch();

 private:
  void Run(CUgraph graph);
  CUgraphExec Executable(CUgraph graph);
  void Fail(const char* reason);

  static constexpr size_t kMostExecutables = 8;

  const Gpu& gpu_;
  bool wanted_ = false, gathering_ = false;
  size_t key_ = 0;  // of the ops gathered: their names, types and shapes
  std::vector<std::weak_ptr<Tensor>> written_;
  // By key, the most recently used first. Most steps differ in arguments alone, which an executable can be
  // given.
  std::list<std::pair<size_t, CUgraphExec>> executables_;
};

}  // namespace alexnet::cuda
