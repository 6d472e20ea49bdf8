// Which engines the simulated cuDNN offers for an operation graph, and what they run.
// Invariant: what the real library's documentation does not promise is refused, so that callers need their
// fallback.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "convolution.h"
#include "cudnn_descriptors.h"
#include "machine.h"

namespace simulation {

struct Engine {
  int64_t index;
  int64_t workspace_bytes;
  std::vector<cudnnBackendNumericalNote_t> notes;
};

/** A tensor of the caller that a graph reads or writes. */
struct Operand {
  int64_t uid;
  int64_t alignment;
  int64_t bytes;
  bool write;
};

/** An operation graph that some engine can run. */
struct CompiledGraph {
  std::string name;
  std::vector<Operand> operands;
  std::function<void(const std::map<int64_t, void*>& pointers)> run;
};

/** @throws CudnnError if shapes disagree: what finalising an operation checks */
void CheckConvolution(const Descriptor& operation);
/** @throws CudnnError with NOT_SUPPORTED, and why */
CompiledGraph Compile(const Descriptor& graph);
/** The engines for a graph that compiles, best first. */
std::vector<Engine> EnginesFor(const Descriptor& graph);

}  // namespace simulation
