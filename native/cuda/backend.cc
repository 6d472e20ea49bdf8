// Storage and orders, uploads and downloads; the ops themselves are in the files beside this one.
// Invariant: blocks come from and go back to the allocator on the queue's thread, and are used on one stream,
// so that a block given back may be given out again at once.
#include "cuda/backend.h"

#include <limits>

namespace alexnet::cuda {
namespace {

/** Uploads up to this size are kept on the host as well: labels and augmentation records are far below. */
constexpr size_t kKeptOnHost = size_t{1} << 20;

class DeviceSource final : public BlockSource {
 public:
  DeviceSource(const Gpu& gpu, Graphs& graphs) : gpu_(gpu), graphs_(graphs) {}
  void* Acquire(size_t bytes) override {
    CUdeviceptr address = 0;
    const CUresult status = gpu_.libraries().driver.cuMemAlloc(&address, bytes);
    if (status == CUDA_ERROR_OUT_OF_MEMORY) return nullptr;
    gpu_.libraries().CheckDriver(status, "cuMemAlloc");
    return reinterpret_cast<void*>(address);
  }
  void Return(void* block, size_t) override {
    graphs_.Launch();  // which may use the block
    gpu_.libraries().driver.cuMemFree(reinterpret_cast<CUdeviceptr>(block));
  }

 private:
  const Gpu& gpu_;
  Graphs& graphs_;
};

/** "x float32 [2, 3], w float32 [4, 3]" */
std::string Operands(const OpCall& call) {
  std::string text;
  for (size_t i = 0; i < call.inputs.size(); ++i) {
    if (!call.inputs[i]) continue;
    text += Message(text.empty() ? "" : ", ", call.op->inputs[i].name, " ", ToString(call.inputs[i]->dtype),
                    " ", ToString(call.inputs[i]->shape));
  }
  return text;
}

class EventMark final : public TimeMark {
 public:
  EventMark(std::shared_ptr<const Event> origin, const Gpu& gpu) : origin_(std::move(origin)), here_(gpu) {}
  double Milliseconds() const override { return here_.MillisecondsSince(*origin_); }

 private:
  std::shared_ptr<const Event> origin_;
  Event here_;
};

}  // namespace

Event::Event(const Gpu& gpu) : gpu_(gpu) {
  ALEXNET_DRIVER_CALL(gpu.libraries(), cuEventCreate(&event_, CU_EVENT_DEFAULT));
  ALEXNET_DRIVER_CALL(gpu.libraries(), cuEventRecord(event_, gpu.stream()));
}

Event::~Event() {
  gpu_.libraries().driver.cuEventDestroy(event_);
}

double Event::MillisecondsSince(const Event& earlier) const {
  float milliseconds = 0;
  ALEXNET_DRIVER_CALL(gpu_.libraries(), cuEventElapsedTime(&milliseconds, earlier.event_, event_));
  return milliseconds;
}

CudaBackend::CudaBackend(const CudaOptions& options)
    : options_(options),
      graphs_(gpu_),
      staging_(gpu_),
      allocator_(std::make_unique<DeviceSource>(gpu_, graphs_), options.memory_limit_bytes),
      landing_(gpu_, staging_, allocator_),
      plan_file_(options.plan_file,
                 Message(gpu_.name(), ", cuDNN ", gpu_.libraries().cudnn.cudnnGetVersion())),
      updates_(gpu_) {}

CudaBackend::~CudaBackend() {
  gpu_.libraries().driver.cuCtxSetCurrent(gpu_.context());
}

void CudaBackend::Start() {
  gpu_.MakeCurrent();
}

std::vector<std::pair<std::string, std::string>> CudaBackend::Describe() const {
  auto description = gpu_.description();
  description.emplace_back("tf32", options_.tf32 ? "yes" : "no");
  description.emplace_back("deterministic", options_.deterministic ? "yes" : "no");
  return description;
}

bool CudaBackend::Supports(const OpSpec& op) const {
  return KernelTable().count(op.name) != 0;
}

void CudaBackend::Run(OpCall& call) {
  const auto kernel = KernelTable().find(call.op->name);
  if (kernel == KernelTable().end()) {
    throw Error(ErrorCode::kUnsupported, Message("the cuda device has no kernel for ", call.op->name));
  }
  if (call.op->name != "sgd") updates_.Launch();
  graphs_.Add(call);
  try {
    kernel->second(*this, call);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported) throw;
    throw Error(error.code(), Message(error.what(), ". Given ", Operands(call),
                                      "; other shapes, float32, or the 'cpu' device may do"));
  }
}

Block CudaBackend::Allocate(size_t bytes) {
  CachingAllocator& allocator = allocator_;
  return {allocator.Allocate(bytes), [&allocator](void* block) { allocator.Free(block); }};
}

Buffer& CudaBackend::Create(Tensor& tensor, Order order) {
  auto storage = std::make_shared<CudaStorage>(Buffer{order, Allocate(tensor.bytes())});
  tensor.storage = storage;
  return storage->buffer;
}

void CudaBackend::Upload(Tensor& tensor, const void* source) {
  updates_.Launch();
  LeaveGraph();
  landing_.Upload(CreatePlain(tensor).address(), source, tensor.bytes());
  if (tensor.bytes() > kKeptOnHost) return;
  const auto* const bytes = static_cast<const unsigned char*>(source);
  StorageOf(tensor).host = std::make_shared<const std::vector<unsigned char>>(bytes, bytes + tensor.bytes());
}

void CudaBackend::Download(const Tensor& tensor, void* target) {
  updates_.Launch();
  LeaveGraph();
  staging_.Download(target, Plain(*this, tensor).address(), tensor.bytes());
}

void CudaBackend::EndGathering() {
  updates_.Launch();
  graphs_.End();
}

void CudaBackend::Synchronize() {
  updates_.Launch();
  LeaveGraph();
  ALEXNET_DRIVER_CALL(gpu_.libraries(), cuStreamSynchronize(gpu_.upload_stream()));
  ALEXNET_DRIVER_CALL(gpu_.libraries(), cuStreamSynchronize(gpu_.stream()));
}

std::unique_ptr<TimeMark> CudaBackend::Mark() {
  updates_.Launch();
  LeaveGraph();
  if (!origin_) origin_ = std::make_shared<Event>(gpu_);
  return std::make_unique<EventMark>(origin_, gpu_);
}

void CudaBackend::Trim() {
  LeaveGraph();
  landing_.Trim();
  staging_.Trim();
  allocator_.Trim();
}

std::shared_ptr<const std::vector<unsigned char>> CudaBackend::HostBytes(const Tensor& tensor) {
  if (StorageOf(tensor).host) return StorageOf(tensor).host;
  auto bytes = std::make_shared<std::vector<unsigned char>>(tensor.bytes());
  Download(tensor, bytes->data());
  return bytes;
}

CudaStorage& StorageOf(const Tensor& tensor) {
  Check(tensor.storage != nullptr, "a tensor was read before it was computed");
  auto* const storage = dynamic_cast<CudaStorage*>(tensor.storage.get());
  Check(storage != nullptr, "the state an op saves for its backward op was used as a tensor of values");
  return *storage;
}

const Buffer& AsIs(const Tensor& tensor) {
  return StorageOf(tensor).buffer;
}

Buffer Reorder(CudaBackend& backend, const Buffer& buffer, const Shape& shape, DType dtype, Order order) {
  if (buffer.order == order) return buffer;
  const int64_t images = shape[0], channels = shape[1], pixels = shape[2] * shape[3];
  if (channels == 1 || pixels == 1) return {order, buffer.block};  // the two orders are one
  const auto elements = static_cast<size_t>(images * channels * pixels);
  const Buffer target = {order, backend.Allocate(elements * SizeOf(dtype))};
  const bool to_last = order == Order::kChannelsLast;
  const char* const kernel = SizeOf(dtype) == 4   ? "transpose_32"
                             : SizeOf(dtype) == 2 ? "transpose_16"
                                                  : "transpose_8";
  Index(images * channels * pixels);
  backend.gpu().Launch(kernel, backend.gpu().Spread(static_cast<int64_t>(elements)), buffer.data(),
                       target.data(), Index(images), Index(to_last ? channels : pixels),
                       Index(to_last ? pixels : channels));
  return target;
}

Buffer In(CudaBackend& backend, const Tensor& tensor, Order order) {
  return Reorder(backend, AsIs(tensor), tensor.shape, tensor.dtype, order);
}

Buffer Plain(CudaBackend& backend, const Tensor& tensor) {
  return In(backend, tensor, Order::kRowMajor);
}

Buffer Pictures(CudaBackend& backend, const Tensor& tensor) {
  return In(backend, tensor, Order::kChannelsLast);
}

Buffer Convert(CudaBackend& backend, const Buffer& buffer, int64_t elements, DType from, DType to) {
  if (from == to) return buffer;
  const Buffer target = {buffer.order, backend.Allocate(static_cast<size_t>(elements) * SizeOf(to))};
  backend.gpu().Launch("cast", backend.gpu().Spread(elements), buffer.data(), static_cast<int32_t>(from),
                       target.data(), static_cast<int32_t>(to), elements);
  return target;
}

Buffer Floats(CudaBackend& backend, const Tensor& tensor, Order order) {
  return Convert(backend, In(backend, tensor, order), tensor.elements(), tensor.dtype, DType::kFloat32);
}

Buffer Weights(CudaBackend& backend, const Tensor& tensor, Order order, DType dtype) {
  CudaStorage& storage = StorageOf(tensor);
  if (storage.buffer.order != order) {
    storage.buffer = Reorder(backend, storage.buffer, tensor.shape, tensor.dtype, order);
    storage.low = {};
  }
  if (tensor.dtype == dtype) return storage.buffer;
  if (!storage.low || storage.low_type != dtype) {
    storage.low = Convert(backend, storage.buffer, tensor.elements(), tensor.dtype, dtype);
    storage.low_type = dtype;
  }
  return storage.low;
}

FloatOutput::FloatOutput(CudaBackend& backend, Tensor& tensor, Order order)
    : backend_(backend), tensor_(tensor), values_(backend.Create(tensor, order)) {
  if (tensor.dtype == DType::kFloat32) return;
  values_.block = backend.Allocate(static_cast<size_t>(tensor.elements()) * sizeof(float));
}

void FloatOutput::Finish() {
  if (tensor_.dtype == DType::kFloat32) return;
  backend_.gpu().Launch("cast", backend_.gpu().Spread(tensor_.elements()), values_.data(),
                        static_cast<int32_t>(DType::kFloat32), AsIs(tensor_).data(),
                        static_cast<int32_t>(tensor_.dtype), tensor_.elements());
}

std::string Typed(const char* name, DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return Message(name, "_f32");
    case DType::kFloat16:
      return Message(name, "_f16");
    case DType::kBFloat16:
      return Message(name, "_bf16");
    default:
      throw Error(ErrorCode::kUnsupported, Message(name, " does not take ", ToString(dtype)));
  }
}

int32_t Index(int64_t count) {
  if (count <= std::numeric_limits<int32_t>::max()) return static_cast<int32_t>(count);
  throw Error(ErrorCode::kUnsupported,
              Message("a tensor of ", count,
                      " elements is more than the cuda device takes in this op (2^31 - 1); "
                      "try a smaller batch"));
}

cudnnDataType_t CudnnType(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return CUDNN_DATA_HALF;
    case DType::kBFloat16:
      return CUDNN_DATA_BFLOAT16;
    case DType::kFloat32:
      return CUDNN_DATA_FLOAT;
    default:
      throw Error(ErrorCode::kUnsupported, Message("cuDNN is not given ", ToString(dtype), " here"));
  }
}

cudaDataType_t CudaType(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return CUDA_R_16F;
    case DType::kBFloat16:
      return CUDA_R_16BF;
    case DType::kFloat32:
      return CUDA_R_32F;
    default:
      throw Error(ErrorCode::kUnsupported, Message("cuBLAS is not given ", ToString(dtype), " here"));
  }
}

std::unique_ptr<Backend> CreateBackend(const CudaOptions& options) {
  return std::make_unique<CudaBackend>(options);
}

}  // namespace alexnet::cuda
