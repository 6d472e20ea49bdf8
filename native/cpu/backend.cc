// Storage, layouts and the running of primitives; the kernels themselves are in the files beside this one.
// Invariant: blocks come from and go back to the allocator on the queue's thread.
#include "cpu/backend.h"

#include <omp.h>
#if defined(__linux__)
#include <sys/mman.h>
#elif defined(_WIN32)
#include <malloc.h>
#endif

#include <cstdlib>
#include <cstring>

#include "cpu/parallel.h"
#include "cpu/pixels.h"

namespace alexnet::cpu {
namespace {

using dnnl::memory;

constexpr size_t kHugePage = size_t{2} << 20;
constexpr int64_t kCopyGrain = int64_t{1} << 20;

// Cache lines for small blocks; large ones ask for huge pages, which saves most page faults and TLB misses.
class HeapSource final : public BlockSource {
 public:
  void* Acquire(size_t bytes) override {
    const size_t alignment = bytes >= kHugePage ? kHugePage : 64;
#if defined(_WIN32)
    return _aligned_malloc(bytes, alignment);
  }
  void Return(void* block, size_t) override { _aligned_free(block); }
#else
    void* block = std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
#if defined(__linux__)
    if (block != nullptr && alignment == kHugePage) madvise(block, bytes, MADV_HUGEPAGE);
#endif
    return block;
  }
  void Return(void* block, size_t) override { std::free(block); }
  // Costs nothing where it is not touched.
  size_t SegmentBytes() const override { return size_t{1} << 30; }
#endif
};

memory::dims Strides(const memory::dims& shape) {
  memory::dims strides(shape.size());
  int64_t stride = 1;
  for (size_t i = shape.size(); i-- > 0;) {
    strides[i] = stride;
    stride *= shape[i];
  }
  return strides;
}

memory::dims DimsOf(const Shape& shape) {
  return shape.empty() ? memory::dims{1} : shape;
}

// By all threads: a fresh array's pages come into being while it is filled, which is most of the time.
void Copy(void* target, const void* source, size_t bytes) {
  ParallelFor(static_cast<int64_t>(bytes), kCopyGrain, [&](int64_t begin, int64_t end) {
    std::memcpy(static_cast<char*>(target) + begin, static_cast<const char*>(source) + begin,
                static_cast<size_t>(end - begin));
  });
}

/** On other processors than x86, oneDNN gives the same numbers to other instructions. */
dnnl::cpu_isa EffectiveIsa() {
#if defined(__x86_64__) || defined(_M_X64)
  return dnnl::get_effective_cpu_isa();
#else
  return dnnl::cpu_isa::isa_default;
#endif
}

const char* IsaName(dnnl::cpu_isa isa) {
  switch (isa) {
    case dnnl::cpu_isa::sse41:
      return "SSE4.1";
    case dnnl::cpu_isa::avx:
      return "AVX";
    case dnnl::cpu_isa::avx2:
      return "AVX2";
    case dnnl::cpu_isa::avx2_vnni:
    case dnnl::cpu_isa::avx2_vnni_2:
      return "AVX2 VNNI";
    case dnnl::cpu_isa::avx512_core:
      return "AVX-512";
    case dnnl::cpu_isa::avx512_core_vnni:
      return "AVX-512 VNNI";
    case dnnl::cpu_isa::avx512_core_bf16:
      return "AVX-512 BF16";
    case dnnl::cpu_isa::avx512_core_fp16:
      return "AVX-512 FP16";
    case dnnl::cpu_isa::avx512_core_amx:
    case dnnl::cpu_isa::avx512_core_amx_fp16:
      return "AVX-512 AMX";
    default:
      return "generic";
  }
}

/**
 * Against float32, as measured in a training step of AlexNet: AMX three times as fast; AVX-512 BF16 1.9 times
 * on AMD (Zen 5, two dot products a cycle), slower on Intel (one); without it oneDNN emulates, or has no
 * kernels at all.
 */
const char* BFloat16Support() {
  if (HasInstructions(dnnl::cpu_isa::avx512_core_amx)) return "fast";
  if (HasInstructions(dnnl::cpu_isa::avx512_core_bf16)) {
#if defined(__x86_64__)
    return __builtin_cpu_is("amd") ? "fast" : "slow";
#endif
  }
  return HasInstructions(dnnl::cpu_isa::avx512_core) ? "slow" : "none";
}

/** @throws Error for element types that no kernel computes in; they can be stored and converted */
void CheckTypes(const OpCall& call) {
  static const bool has_bfloat16 = std::strcmp(BFloat16Support(), "none") != 0;
  if (call.op->name == "cast" || call.op->name == "reshape") return;
  for (const auto* tensors : {&call.inputs, &call.outputs}) {
    for (const TensorPtr& tensor : *tensors) {
      if (!tensor) continue;
      if (tensor->dtype == DType::kFloat16 || (tensor->dtype == DType::kBFloat16 && !has_bfloat16)) {
        throw Error(ErrorCode::kUnsupported,
                    Message("the cpu device (", IsaName(EffectiveIsa()), ") does not compute in ",
                            ToString(tensor->dtype), "; convert to float32 with cast"));
      }
    }
  }
}

}  // namespace

CpuBackend::CpuBackend(const CpuOptions& options)
    : options_(options),
      allocator_(std::make_unique<HeapSource>(), options.memory_limit_bytes),
      engine_(dnnl::engine::kind::cpu, 0),
      stream_(engine_) {}

CpuBackend::~CpuBackend() = default;

// libgomp keeps a team for each thread that opens parallel regions; the size is that thread's own.
void CpuBackend::Start() {
  omp_set_num_threads(options_.threads);
}

std::vector<std::pair<std::string, std::string>> CpuBackend::Describe() const {
  const dnnl_version_t* version = dnnl_version();
  return {{"threads", std::to_string(options_.threads)},
          {"oneDNN", Message(version->major, ".", version->minor, ".", version->patch)},
          {"instructionSet", IsaName(EffectiveIsa())},
          {"bfloat16", BFloat16Support()},
          {"float16", "none"},
          {"int8", HasVnni() ? "fast" : "none"}};
}

bool CpuBackend::Supports(const OpSpec& op) const {
  return KernelTable().count(op.name) != 0;
}

void CpuBackend::Run(OpCall& call) {
  const auto kernel = KernelTable().find(call.op->name);
  if (kernel == KernelTable().end()) {
    throw Error(ErrorCode::kUnsupported, Message("the cpu device has no kernel for ", call.op->name));
  }
  CheckTypes(call);
  kernel->second(*this, call);
}

Buffer CpuBackend::Allocate(const memory::desc& layout) {
  CachingAllocator& allocator = allocator_;
  return {layout,
          Block(allocator.Allocate(layout.get_size()), [&allocator](void* block) { allocator.Free(block); })};
}

Buffer& CpuBackend::Create(Tensor& tensor, const memory::desc& layout) {
  auto storage = std::make_shared<CpuStorage>(Allocate(layout));
  tensor.storage = storage;
  return storage->buffer;
}

Buffer& CpuBackend::CreatePlain(Tensor& tensor) {
  return Create(tensor, PlainLayout(tensor));
}

void CpuBackend::Execute(const Plan& plan, const std::unordered_map<int, Buffer>& arguments) {
  std::unordered_map<int, memory> memories;
  for (const auto& [argument, buffer] : arguments) {
    memories.emplace(argument, memory(buffer.layout, engine_, buffer.data()));
  }
  Buffer scratchpad;
  if (plan.scratchpad.get_size() != 0) {
    scratchpad = Allocate(plan.scratchpad);
    memories.emplace(DNNL_ARG_SCRATCHPAD, memory(scratchpad.layout, engine_, scratchpad.data()));
  }
  plan.primitive.execute(stream_, memories);
  stream_.wait();
}

Buffer CpuBackend::Reorder(const Buffer& source, const memory::desc& layout) {
  Buffer target = Allocate(layout);
  memory from(source.layout, engine_, source.data());
  memory to(layout, engine_, target.data());
  dnnl::reorder(from, to).execute(stream_, from, to);
  stream_.wait();
  return target;
}

void CpuBackend::Upload(Tensor& tensor, const void* source) {
  Copy(CreatePlain(tensor).data(), source, tensor.bytes());
}

void CpuBackend::Download(const Tensor& tensor, void* target) {
  const Buffer& lies = AsIs(tensor);
  const memory::desc plain = PlainLayout(lies.layout.get_dims(), lies.layout.get_data_type());
  if (lies.layout == plain) {
    Copy(target, lies.data(), tensor.bytes());
    return;
  }
  memory from(lies.layout, engine_, lies.data());
  memory to(plain, engine_, target);
  dnnl::reorder(from, to).execute(stream_, from, to);
  stream_.wait();
}

memory::data_type TypeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return memory::data_type::f32;
    case DType::kBFloat16:
      return memory::data_type::bf16;
    case DType::kFloat16:
      return memory::data_type::f16;
    case DType::kInt32:
      return memory::data_type::s32;
    case DType::kInt8:
      return memory::data_type::s8;
    case DType::kUint8:
    case DType::kOpaque:
      break;
  }
  return memory::data_type::u8;
}

memory::desc PlainLayout(const memory::dims& shape, memory::data_type type) {
  return {shape, type, Strides(shape)};
}

memory::desc PlainLayout(const Tensor& tensor) {
  return PlainLayout(DimsOf(tensor.shape), TypeOf(tensor.dtype));
}

memory::desc AnyLayout(const memory::dims& shape, memory::data_type type) {
  return {shape, type, memory::format_tag::any};
}

bool IsPadded(const memory::desc& layout) {
  return layout.get_padded_dims() != layout.get_dims();
}

memory::desc SameOrder(const memory::desc& layout, const Tensor& y) {
  if (ChannelBlock(layout) == 0) return PlainLayout(y);
  return InOrderOf(layout, layout.get_dims(), TypeOf(y.dtype));
}

CpuStorage& StorageOf(const Tensor& tensor) {
  Check(tensor.storage != nullptr, "a tensor was read before it was computed");
  auto* const storage = dynamic_cast<CpuStorage*>(tensor.storage.get());
  Check(storage != nullptr, "the state an op saves for its backward op was used as a tensor of values");
  return *storage;
}

const Buffer& AsIs(const Tensor& tensor) {
  return StorageOf(tensor).buffer;
}

Buffer In(CpuBackend& backend, const Tensor& tensor, const memory::desc& layout) {
  const Buffer& lies = AsIs(tensor);
  const Buffer buffer = lies.layout.get_ndims() == layout.get_ndims() ? lies : Plain(backend, tensor);
  return buffer.layout == layout ? buffer : backend.Reorder(buffer, layout);
}

Buffer Logical(CpuBackend& backend, const Tensor& tensor) {
  const Buffer& buffer = AsIs(tensor);
  return buffer.layout.get_ndims() == PlainLayout(tensor).get_ndims() ? buffer : Plain(backend, tensor);
}

Buffer Plain(CpuBackend& backend, const Tensor& tensor) {
  // Weights of grouped convolutions lie as [G, O/G, I/G, KH, KW]; row-major, that is [O, I/G, KH, KW].
  const memory::desc& layout = AsIs(tensor).layout;
  const Buffer plain = In(backend, tensor, PlainLayout(layout.get_dims(), layout.get_data_type()));
  return {PlainLayout(tensor), plain.block};
}

Buffer Dense(CpuBackend& backend, const Tensor& tensor) {
  const Buffer buffer = Logical(backend, tensor);
  return IsPadded(buffer.layout) ? Plain(backend, tensor) : buffer;
}

Buffer Weights(CpuBackend& backend, const Tensor& tensor, const memory::desc& layout) {
  CpuStorage& storage = StorageOf(tensor);
  const memory::desc& lies = storage.buffer.layout;
  if (lies == layout) return storage.buffer;
  for (const Buffer& packed : storage.packed) {
    if (packed.layout == layout) return packed;
  }
  const bool moves = lies.get_data_type() == layout.get_data_type() &&
                     lies == PlainLayout(lies.get_dims(), lies.get_data_type());
  const Buffer source =
      lies.get_dims() == layout.get_dims()
          ? storage.buffer
          : Buffer{PlainLayout(layout.get_dims(), lies.get_data_type()), Plain(backend, tensor).block};
  Buffer packed = backend.Reorder(source, layout);
  if (moves) {
    storage.buffer = packed;
  } else {
    storage.packed.push_back(packed);
  }
  return packed;
}

float* Writable(CpuBackend& backend, const Tensor& tensor, const dnnl::memory::desc& layout) {
  CpuStorage& storage = StorageOf(tensor);
  if (storage.buffer.layout != layout) {
    const Buffer plain = {PlainLayout(layout.get_dims(), layout.get_data_type()),
                          Plain(backend, tensor).block};
    storage.buffer = backend.Reorder(plain, layout);
  } else if (storage.buffer.block.use_count() > 1) {
    storage.buffer = backend.Reorder(storage.buffer, layout);
  }
  storage.packed.clear();
  return storage.buffer.floats();
}

bool HasInstructions(dnnl::cpu_isa isa) {
  const int effective = static_cast<int>(EffectiveIsa()), wanted = static_cast<int>(isa);
  return (effective & wanted) == wanted;
}

dnnl::primitive_attr PrimitiveAttributes(bool relu) {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (relu) {
    dnnl::post_ops post_ops;
    post_ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.f, 0.f);
    attributes.set_post_ops(post_ops);
  }
  return attributes;
}

bool HasVnni() {
  return HasInstructions(dnnl::cpu_isa::avx512_core_vnni) || HasInstructions(dnnl::cpu_isa::avx2_vnni);
}

std::unique_ptr<Backend> CreateBackend(const CpuOptions& options) {
#if defined(__x86_64__) && defined(__GNUC__)
  // oneDNN's matrix product takes it for granted: without it, the process would end at an illegal
  // instruction.
  if (!__builtin_cpu_supports("sse4.1")) {
    throw Error(ErrorCode::kUnsupported,
                "this processor has no SSE4.1, which is needed (AVX2 or later to be fast). "
                "Use one from 2008 or later; in a virtual machine, give it the host's processor model");
  }
#endif
  return std::make_unique<CpuBackend>(options);
}

}  // namespace alexnet::cpu
