// The CPU backend: oneDNN primitives and own kernels over memory whose layout oneDNN picks.
// Invariant: a storage always holds what its descriptor says; padding that a blocked layout adds is zero.
#pragma once

#include <dnnl.hpp>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/backend.h"
#include "core/caching_allocator.h"
#include "core/error.h"
#include "cpu/create.h"
#include "cpu/plan_cache.h"

namespace alexnet::cpu {

/** A block of the allocator, given back when the last owner is gone. */
using Block = std::shared_ptr<void>;

/** Memory in some layout: what a primitive takes. */
struct Buffer {
  dnnl::memory::desc layout;
  Block block;

  void* data() const { return block.get(); }
  float* floats() const { return static_cast<float*>(block.get()); }
  explicit operator bool() const { return block != nullptr; }
};

struct CpuStorage final : Storage {
  explicit CpuStorage(Buffer buffer) : buffer(std::move(buffer)) {}

  Buffer buffer;
  // The same values in other layouts and of other types, kept until they change: weights as a backward pass,
  // another batch size or a network of lower precision wants them.
  std::vector<Buffer> packed;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(const CpuOptions& options);
  ~CpuBackend() override;

  void Start() override;
  std::vector<std::pair<std::string, std::string>> Describe() const override;
  bool Supports(const OpSpec& op) const override;
  void Run(OpCall& call) override;
  void Upload(Tensor& tensor, const void* source) override;
  void Download(const Tensor& tensor, void* target) override;
  void Synchronize() override {}
  void Trim() override { allocator_.Trim(); }
  MemoryStatistics Memory() const override { return allocator_.Statistics(); }
  std::vector<PlanDescription> Plans() const override { return plans_.Descriptions(); }
  size_t TakeRecentPeak() override { return allocator_.TakeRecentPeak(); }

  // What kernels use.
  const CpuOptions& options() const { return options_; }
  const dnnl::engine& engine() const { return engine_; }
  PlanCache& plans() { return plans_; }
  Buffer Allocate(const dnnl::memory::desc& layout);
  /** Allocates the storage of an output. */
  Buffer& Create(Tensor& tensor, const dnnl::memory::desc& layout);
  Buffer& CreatePlain(Tensor& tensor);
  /** Runs a primitive on buffers, with a scratchpad from the allocator; waits for its end. */
  void Execute(const Plan& plan, const std::unordered_map<int, Buffer>& arguments);
  Buffer Reorder(const Buffer& source, const dnnl::memory::desc& layout);

 private:
  const CpuOptions options_;
  CachingAllocator allocator_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  PlanCache plans_;
};

/** A kernel of the table: computes one op. */
using Kernel = void (*)(CpuBackend& backend, OpCall& call);
const std::unordered_map<std::string, Kernel>& KernelTable();

/** Whether the processor has all instructions of `isa`, and oneDNN's cap (ONEDNN_MAX_CPU_ISA) allows them. */
bool HasInstructions(dnnl::cpu_isa isa);
/** Whether the instruction set has VNNI: sums of products of 8-bit integers in 32 bits, without saturation on
 * the way. */
bool HasVnni();

/** Scratchpads come from the allocator; `relu` is applied to what the primitive computes. */
dnnl::primitive_attr PrimitiveAttributes(bool relu = false);

/** A primitive's plan, with the layouts that it was made for of these arguments. */
template <typename Primitive>
Plan PlanOf(const typename Primitive::primitive_desc& descriptor, std::initializer_list<int> arguments) {
  Plan plan;
  plan.primitive = Primitive(descriptor);
  for (const int argument : arguments) {
    plan.layouts.emplace(argument, descriptor.query_md(dnnl::query::exec_arg_md, argument));
  }
  plan.scratchpad = descriptor.scratchpad_desc();
  plan.implementation = descriptor.impl_info_str();
  return plan;
}

// Layouts and buffers of tensors.

dnnl::memory::data_type TypeOf(DType dtype);
/** Row-major. A scalar is one element of rank 1: oneDNN has no rank 0. */
dnnl::memory::desc PlainLayout(const Tensor& tensor);
dnnl::memory::desc PlainLayout(const dnnl::memory::dims& shape, dnnl::memory::data_type type);
/** "Let oneDNN choose". */
dnnl::memory::desc AnyLayout(const dnnl::memory::dims& shape, dnnl::memory::data_type type);
bool IsPadded(const dnnl::memory::desc& layout);
/** The order of `layout`, with elements of y's type: that of activations is kept, all else becomes row-major.
 */
dnnl::memory::desc SameOrder(const dnnl::memory::desc& layout, const Tensor& y);

CpuStorage& StorageOf(const Tensor& tensor);
/** The tensor as it lies. */
const Buffer& AsIs(const Tensor& tensor);
/** The tensor as it lies, if in the rank of its shape (weights of grouped convolutions have one more), else
 * row-major. */
Buffer Logical(CpuBackend& backend, const Tensor& tensor);
/** The tensor in `layout`: as it lies, or a reordered copy. */
Buffer In(CpuBackend& backend, const Tensor& tensor, const dnnl::memory::desc& layout);
/** The tensor row-major: as it lies, or a reordered copy. */
Buffer Plain(CpuBackend& backend, const Tensor& tensor);
/** The tensor in any layout without padding, for kernels that touch each element alone. */
Buffer Dense(CpuBackend& backend, const Tensor& tensor);
/**
 * A float32 parameter in `layout`: moved there for good if it lies row-major, else a copy kept until it
 * changes; rounded copies of lower precision are always beside it.
 */
Buffer Weights(CpuBackend& backend, const Tensor& tensor, const dnnl::memory::desc& layout);
/** A float32 tensor's own memory in `layout`, moved there if need be, and shared with no other tensor. */
float* Writable(CpuBackend& backend, const Tensor& tensor, const dnnl::memory::desc& layout);

}  // namespace alexnet::cpu
