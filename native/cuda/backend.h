// The CUDA backend: cuDNN, cuBLASLt and own kernels, put on one stream in the order they are asked for.
// Invariant: no op waits for the device; rank-4 tensors lie channels-last after the first op that wants them
// so.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "core/backend.h"
#include "core/caching_allocator.h"
#include "core/error.h"
#include "core/plan_cache.h"
#include "cuda/create.h"
#include "cuda/gpu.h"
#include "cuda/graphs.h"
#include "cuda/landing.h"
#include "cuda/plan.h"
#include "cuda/plan_file.h"
#include "cuda/staging.h"
#include "cuda/updates.h"

namespace alexnet::cuda {

/** A block of device memory, given back when the last owner is gone. The address is the device's. */
using Block = std::shared_ptr<void>;

/** How elements lie. Tensors of other ranks than 4 are always row-major. */
enum class Order { kRowMajor, kChannelsLast };

/** Device memory with its order. */
struct Buffer {
  Order order = Order::kRowMajor;
  Block block;

  void* data() const { return block.get(); }
  template <typename Value>
  Value* as() const {
    return static_cast<Value*>(block.get());
  }
  CUdeviceptr address() const { return reinterpret_cast<CUdeviceptr>(block.get()); }
  explicit operator bool() const { return block != nullptr; }
};

struct CudaStorage final : Storage {
  explicit CudaStorage(Buffer buffer) : buffer(std::move(buffer)) {}

  Buffer buffer;
  // The same values in 16 bits and in the buffer's order: what a parameter is computed with. Kept up to date
  // by the update that changes the parameter.
  Buffer low;
  DType low_type = DType::kOpaque;
  // The bytes as they came from the host, while they are the same: labels and records are checked there.
  std::shared_ptr<const std::vector<unsigned char>> host;
};

/** A place on the stream that the device passes at some time. */
class Event {
 public:
  explicit Event(const Gpu& gpu);
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event();
  /** Both must have been passed. */
  double MillisecondsSince(const Event& earlier) const;

 private:
  const Gpu& gpu_;
  CUevent event_ = nullptr;
};

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(const CudaOptions& options);
  CudaBackend(const CudaBackend&) = delete;
  CudaBackend& operator=(const CudaBackend&) = delete;
  ~CudaBackend() override;

  void Start() override;
  std::vector<std::pair<std::string, std::string>> Describe() const override;
  bool Supports(const OpSpec& op) const override;
  void Run(OpCall& call) override;
  void Upload(Tensor& tensor, const void* source) override;
  void Download(const Tensor& tensor, void* target) override;
  void Synchronize() override;
  void Trim() override;
  MemoryStatistics Memory() const override { return allocator_.Statistics(); }
  std::vector<PlanDescription> Plans() const override { return plans_.Descriptions(); }
  std::unique_ptr<TimeMark> Mark() override;
  void BeginGathering() override { graphs_.Begin(); }
  void EndGathering() override;
  size_t TakeRecentPeak() override { return allocator_.TakeRecentPeak(); }

  // What ops use.
  const Gpu& gpu() const { return gpu_; }
  const CudaOptions& options() const { return options_; }
  PlanCache<Plan>& plans() { return plans_; }
  PlanFile& plan_file() { return plan_file_; }
  Updates& updates() { return updates_; }
  /** Called before work that cannot be part of a CUDA graph: what was gathered runs first. */
  void LeaveGraph() { graphs_.Launch(); }
  Block Allocate(size_t bytes);
  /** Allocates the storage of an output. */
  Buffer& Create(Tensor& tensor, Order order);
  Buffer& CreatePlain(Tensor& tensor) { return Create(tensor, Order::kRowMajor); }
  /** The bytes of a tensor on the host: as they were uploaded, or fetched, which waits for the device. */
  std::shared_ptr<const std::vector<unsigned char>> HostBytes(const Tensor& tensor);

 private:
  const CudaOptions options_;
  Gpu gpu_;
  Graphs graphs_;
  Staging staging_;
  CachingAllocator allocator_;
  Landing landing_;
  PlanCache<Plan> plans_;
  PlanFile plan_file_;
  Updates updates_;
  std::shared_ptr<Event> origin_;  // of the marks
};

/** A function of the table: computes one op. */
using Kernel = void (*)(CudaBackend& backend, OpCall& call);
const std::unordered_map<std::string, Kernel>& KernelTable();

// Orders and buffers of tensors.

CudaStorage& StorageOf(const Tensor& tensor);
/** The tensor as it lies. */
const Buffer& AsIs(const Tensor& tensor);
/** The tensor in `order`: as it lies, or a rearranged copy. */
Buffer In(CudaBackend& backend, const Tensor& tensor, Order order);
Buffer Plain(CudaBackend& backend, const Tensor& tensor);
/** A rank-4 tensor with its channels together. */
Buffer Pictures(CudaBackend& backend, const Tensor& tensor);
/** A parameter in `order` and `dtype`: moved to the order for good, its 16-bit copy kept until it changes. */
Buffer Weights(CudaBackend& backend, const Tensor& tensor, Order order, DType dtype);
/** Elements in another order. */
Buffer Reorder(CudaBackend& backend, const Buffer& buffer, const Shape& shape, DType dtype, Order order);
/** Elements in another type. */
Buffer Convert(CudaBackend& backend, const Buffer& buffer, int64_t elements, DType from, DType to);
/** In float32 and `order`, for kernels that exist in that type alone. */
Buffer Floats(CudaBackend& backend, const Tensor& tensor, Order order);

/** An output whose kernel writes float32: written directly, or through a copy that Finish() rounds. */
class FloatOutput {
 public:
  FloatOutput(CudaBackend& backend, Tensor& tensor, Order order);
  float* data() const { return values_.as<float>(); }
  void Finish();

 private:
  CudaBackend& backend_;
  Tensor& tensor_;
  Buffer values_;
};

/** The kernel for tensors of this type: name_f32, name_f16 or name_bf16. */
std::string Typed(const char* name, DType dtype);
/** Element counts that kernels with 32-bit indices can take. @throws Error if it is too large */
int32_t Index(int64_t count);
/** cuDNN's and cuBLAS's name of a type. */
cudnnDataType_t CudnnType(DType dtype);
cudaDataType_t CudaType(DType dtype);

}  // namespace alexnet::cuda
