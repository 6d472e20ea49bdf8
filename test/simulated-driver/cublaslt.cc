// The part of libcublasLt that native/cuda/cublaslt.def names: one matrix product with its epilogues.
// Invariant: matrices are column-major, as the library's are; a product that it would refuse is refused.
#include <algorithm>
#include <cstring>

#include "cuda/cublaslt_api.h"
#include "machine.h"
#include "multiply.h"
#include "numbers.h"

namespace simulation {
namespace {

constexpr const char* kHandleKind = "cuBLASLt handle";
constexpr const char* kDescriptorKind = "cuBLASLt matmul descriptor";
constexpr const char* kLayoutKind = "cuBLASLt matrix layout";
constexpr const char* kPreferenceKind = "cuBLASLt preference";
constexpr size_t kAlignment = 16;  // of matrices and of the workspace

struct MatmulDescriptor {
  cublasComputeType_t compute;
  bool transpose_a = false, transpose_b = false;
  int epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void* bias = nullptr;
  int bias_type = -1;  // that of D
};

struct Layout {
  cudaDataType type;
  int64_t rows, columns, leading;
};

struct Preference {
  size_t workspace_bytes = 0;
};

/** A matrix of a product. */
struct Matrix {
  Number type;
  int64_t rows, columns, leading;
  void* data;

  double At(int64_t i, int64_t j) const { return Read(type, data, j * leading + i); }
  Access Touch(bool write) const {
    return {data, static_cast<size_t>((columns - 1) * leading + rows) * SizeOf(type), write};
  }
};

/** Ends a call with a status. */
struct Refusal {
  cublasStatus_t status;
};

template <typename Body>
cublasStatus_t Call(const char* call, const Body& body) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  if (const int injected = machine.Enter(call)) return static_cast<cublasStatus_t>(injected);
  if (machine.sticky != CUDA_SUCCESS) return CUBLAS_STATUS_EXECUTION_FAILED;
  try {
    body(machine);
    return CUBLAS_STATUS_SUCCESS;
  } catch (const Refusal& refusal) {
    return refusal.status;
  }
}

void Need(bool condition, cublasStatus_t status = CUBLAS_STATUS_INVALID_VALUE) {
  if (!condition) throw Refusal{status};
}

template <typename Object, typename Handle>
Object& Get(Machine& machine, Handle handle, const char* kind, const char* call) {
  Need(machine.Check(handle, kind, call));
  return *reinterpret_cast<Object*>(const_cast<void*>(static_cast<const void*>(handle)));
}

template <typename Object, typename Handle>
void Give(Machine& machine, Handle* handle, Object* object, const char* kind) {
  machine.Adopt(object, kind);
  *handle = reinterpret_cast<Handle>(object);
}

template <typename Object, typename Handle>
cublasStatus_t Destroy(const char* call, const char* kind, Handle handle) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  if (!machine.Check(handle, kind, call)) return CUBLAS_STATUS_INVALID_VALUE;
  machine.Drop(handle);
  delete reinterpret_cast<Object*>(handle);
  return CUBLAS_STATUS_SUCCESS;
}

template <typename T>
T Take(const void* buffer, size_t bytes) {
  Need(buffer && bytes >= sizeof(T));
  T value;
  std::memcpy(&value, buffer, sizeof(T));
  return value;
}

Number NumberOf(cudaDataType type) {
  Need(type == CUDA_R_32F || type == CUDA_R_16F || type == CUDA_R_16BF, CUBLAS_STATUS_NOT_SUPPORTED);
  return type == CUDA_R_32F ? Number::kFloat32 : type == CUDA_R_16F ? Number::kFloat16 : Number::kBFloat16;
}

bool HasBias(int epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_BIAS || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}
bool HasRelu(int epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_RELU || epilogue == CUBLASLT_EPILOGUE_RELU_BIAS;
}
bool HasBiasGradient(int epilogue) {
  return epilogue == CUBLASLT_EPILOGUE_BGRADB;
}

struct Product {
  MatmulDescriptor descriptor;
  Layout a, b, c, d;
  Extents extents;
};

/** @throws Refusal where shapes and types do not fit */
Product CheckProduct(const MatmulDescriptor& descriptor, const Layout& a, const Layout& b, const Layout& c,
                     const Layout& d) {
  const int64_t m = descriptor.transpose_a ? a.columns : a.rows,
                k = descriptor.transpose_a ? a.rows : a.columns;
  const int64_t n = descriptor.transpose_b ? b.rows : b.columns;
  Need((descriptor.transpose_b ? b.columns : b.rows) == k);
  Need(d.rows == m && d.columns == n && c.rows == m && c.columns == n && c.type == d.type);
  for (const Layout& layout : {a, b, c, d}) NumberOf(layout.type);
  Need(a.type == b.type, CUBLAS_STATUS_NOT_SUPPORTED);
  Need(d.type == a.type || d.type == CUDA_R_32F, CUBLAS_STATUS_NOT_SUPPORTED);
  const bool fast = descriptor.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
  Need(descriptor.compute == CUBLAS_COMPUTE_32F || (fast && a.type == CUDA_R_32F),
       CUBLAS_STATUS_NOT_SUPPORTED);
  const int epilogue = descriptor.epilogue;
  Need(epilogue == CUBLASLT_EPILOGUE_DEFAULT || HasBias(epilogue) || HasRelu(epilogue) ||
           HasBiasGradient(epilogue),
       CUBLAS_STATUS_NOT_SUPPORTED);
  return {descriptor, a, b, c, d, {m, n, k}};
}

Matrix MatrixOf(const Layout& layout, const void* data) {
  Need(data && reinterpret_cast<uintptr_t>(data) % kAlignment == 0);
  return {NumberOf(layout.type), layout.rows, layout.columns, layout.leading, const_cast<void*>(data)};
}

/** The bias, or where its gradient goes, as a matrix of one column. */
Matrix BiasOf(const Product& product) {
  const MatmulDescriptor& descriptor = product.descriptor;
  const auto type =
      descriptor.bias_type < 0 ? product.d.type : static_cast<cudaDataType>(descriptor.bias_type);
  const int64_t count = HasBiasGradient(descriptor.epilogue) ? product.extents.columns : product.extents.rows;
  Need(descriptor.bias != nullptr);
  return {NumberOf(type), count, 1, count, descriptor.bias};
}

/** Sums of op(B) over k, one for each column. */
void SumBiasGradient(const Product& product, const Matrix& b, const Matrix& bias) {
  for (int64_t j = 0; j < bias.rows; ++j) {
    double sum = 0;
    for (int64_t k = 0; k < product.extents.depth; ++k) {
      sum += product.descriptor.transpose_b ? b.At(j, k) : b.At(k, j);
    }
    Write(bias.type, bias.data, j, sum);
  }
}

void Compute(const Product& product, const Matrix& a, const Matrix& b, const Matrix& c, const Matrix& d,
             const Matrix* bias, double alpha, double beta) {
  const MatmulDescriptor& descriptor = product.descriptor;
  WithType(a.type, [&](auto type) {
    using T = decltype(type);
    const auto* left = static_cast<const T*>(a.data);
    const auto* right = static_cast<const T*>(b.data);
    const int64_t row = descriptor.transpose_a ? a.leading : 1,
                  row_k = descriptor.transpose_a ? 1 : a.leading;
    const int64_t column = descriptor.transpose_b ? 1 : b.leading,
                  column_k = descriptor.transpose_b ? b.leading : 1;
    Multiply(
        product.extents, [&](int64_t i, int64_t k) { return ToDouble(left[i * row + k * row_k]); },
        [&](int64_t k, int64_t j) { return ToDouble(right[k * column_k + j * column]); },
        [&](int64_t i, int64_t j, double sum) {
          double value = alpha * sum;
          if (beta != 0) value += beta * c.At(i, j);
          if (HasBias(descriptor.epilogue)) value += bias->At(i, 0);
          if (HasRelu(descriptor.epilogue) && value < 0) value = 0;
          Write(d.type, d.data, j * d.leading + i, value);
        });
  });
  if (HasBiasGradient(descriptor.epilogue)) SumBiasGradient(product, b, *bias);
}

}  // namespace
}  // namespace simulation

using namespace simulation;  // NOLINT: the functions below are C's

extern "C" {

size_t cublasLtGetVersion() {
  return 130000;
}

const char* cublasLtGetStatusString(cublasStatus_t status) {
  switch (status) {
    case CUBLAS_STATUS_SUCCESS:
      return "CUBLAS_STATUS_SUCCESS";
    case CUBLAS_STATUS_INVALID_VALUE:
      return "CUBLAS_STATUS_INVALID_VALUE";
    case CUBLAS_STATUS_NOT_SUPPORTED:
      return "CUBLAS_STATUS_NOT_SUPPORTED";
    case CUBLAS_STATUS_EXECUTION_FAILED:
      return "CUBLAS_STATUS_EXECUTION_FAILED";
    default:
      return "CUBLAS_STATUS_(of the simulation)";
  }
}

cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  return Call("cublasLtCreate", [&](Machine& machine) { Give(machine, handle, new int(0), kHandleKind); });
}

cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  return Destroy<int>("cublasLtDestroy", kHandleKind, handle);
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* descriptor, cublasComputeType_t compute,
                                        cudaDataType_t scale) {
  return Call("cublasLtMatmulDescCreate", [&](Machine& machine) {
    Need(scale == CUDA_R_32F, CUBLAS_STATUS_NOT_SUPPORTED);
    Give(machine, descriptor, new MatmulDescriptor{compute}, kDescriptorKind);
  });
}

cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t descriptor) {
  return Destroy<MatmulDescriptor>("cublasLtMatmulDescDestroy", kDescriptorKind, descriptor);
}

cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t handle,
                                              cublasLtMatmulDescAttributes_t attribute, const void* buffer,
                                              size_t bytes) {
  constexpr const char* kCall = "cublasLtMatmulDescSetAttribute";
  return Call(kCall, [&](Machine& machine) {
    auto& descriptor = Get<MatmulDescriptor>(machine, handle, kDescriptorKind, kCall);
    switch (attribute) {
      case CUBLASLT_MATMUL_DESC_TRANSA:
        descriptor.transpose_a = Take<int32_t>(buffer, bytes) != CUBLAS_OP_N;
        return;
      case CUBLASLT_MATMUL_DESC_TRANSB:
        descriptor.transpose_b = Take<int32_t>(buffer, bytes) != CUBLAS_OP_N;
        return;
      case CUBLASLT_MATMUL_DESC_EPILOGUE:
        descriptor.epilogue = Take<int32_t>(buffer, bytes);
        return;
      case CUBLASLT_MATMUL_DESC_BIAS_POINTER:
        descriptor.bias = Take<void*>(buffer, bytes);
        return;
      case CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE:
        descriptor.bias_type = Take<int32_t>(buffer, bytes);
        return;
      default:
        machine.Violation(std::string(kCall) + ": attribute " + std::to_string(attribute) +
                          " is not simulated");
        throw Refusal{CUBLAS_STATUS_INVALID_VALUE};
    }
  });
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type, uint64_t rows,
                                          uint64_t columns, int64_t leading) {
  return Call("cublasLtMatrixLayoutCreate", [&](Machine& machine) {
    Need(rows > 0 && columns > 0 && leading >= static_cast<int64_t>(rows));
    Give(machine, layout,
         new Layout{type, static_cast<int64_t>(rows), static_cast<int64_t>(columns), leading}, kLayoutKind);
  });
}

cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return Destroy<Layout>("cublasLtMatrixLayoutDestroy", kLayoutKind, layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return Call("cublasLtMatmulPreferenceCreate",
              [&](Machine& machine) { Give(machine, preference, new Preference, kPreferenceKind); });
}

cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return Destroy<Preference>("cublasLtMatmulPreferenceDestroy", kPreferenceKind, preference);
}

cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t handle,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* buffer, size_t bytes) {
  constexpr const char* kCall = "cublasLtMatmulPreferenceSetAttribute";
  return Call(kCall, [&](Machine& machine) {
    auto& preference = Get<Preference>(machine, handle, kPreferenceKind, kCall);
    Need(attribute == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);
    preference.workspace_bytes = Take<uint64_t>(buffer, bytes);
  });
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor,
                                              cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                              cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                              cublasLtMatmulPreference_t preference, int requested,
                                              cublasLtMatmulHeuristicResult_t results[], int* returned) {
  constexpr const char* kCall = "cublasLtMatmulAlgoGetHeuristic";
  return Call(kCall, [&](Machine& machine) {
    Need(machine.Check(handle, kHandleKind, kCall) && requested > 0);
    const auto layout = [&](cublasLtMatrixLayout_t of) -> Layout& {
      return Get<Layout>(machine, of, kLayoutKind, kCall);
    };
    CheckProduct(Get<MatmulDescriptor>(machine, descriptor, kDescriptorKind, kCall), layout(a), layout(b),
                 layout(c), layout(d));
    const size_t room = Get<Preference>(machine, preference, kPreferenceKind, kCall).workspace_bytes;
    // The fastest splits the sum and needs memory for the parts; then one that does neither.
    const size_t wanted[] = {size_t{4} << 20, 0};
    *returned = 0;
    for (size_t bytes : wanted) {
      if (bytes > room || *returned == requested) continue;
      cublasLtMatmulHeuristicResult_t& result = results[(*returned)++];
      result = {};
      result.workspaceSize = bytes;
      result.state = CUBLAS_STATUS_SUCCESS;
      std::memcpy(&result.algo, &bytes, sizeof bytes);
    }
  });
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t descriptor, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d, cublasLtMatrixLayout_t d_layout,
                              const cublasLtMatmulAlgo_t* algorithm, void* workspace, size_t workspace_bytes,
                              cudaStream_t stream) {
  constexpr const char* kCall = "cublasLtMatmul";
  return Call(kCall, [&](Machine& machine) {
    Need(machine.Check(handle, kHandleKind, kCall) && machine.Check(stream, "stream", kCall) && algorithm);
    const auto layout = [&](cublasLtMatrixLayout_t of) -> Layout& {
      return Get<Layout>(machine, of, kLayoutKind, kCall);
    };
    const Product product =
        CheckProduct(Get<MatmulDescriptor>(machine, descriptor, kDescriptorKind, kCall), layout(a_layout),
                     layout(b_layout), layout(c_layout), layout(d_layout));
    const double scale = static_cast<double>(*static_cast<const float*>(alpha));
    const double keep = static_cast<double>(*static_cast<const float*>(beta));
    const Matrix left = MatrixOf(product.a, a), right = MatrixOf(product.b, b);
    const Matrix result = MatrixOf(product.d, d), old = MatrixOf(product.c, keep == 0 ? d : c);
    Work work{"cublasLtMatmul", {left.Touch(false), right.Touch(false), result.Touch(true)}, nullptr};
    if (keep != 0) work.accesses.push_back(old.Touch(false));
    Matrix bias{};
    if (HasBias(product.descriptor.epilogue) || HasBiasGradient(product.descriptor.epilogue)) {
      bias = BiasOf(product);
      work.accesses.push_back(bias.Touch(HasBiasGradient(product.descriptor.epilogue)));
    }
    const auto needed = Take<size_t>(algorithm, sizeof *algorithm);
    Need(needed <= workspace_bytes &&
         (needed == 0 || reinterpret_cast<uintptr_t>(workspace) % kAlignment == 0));
    if (needed > 0) work.accesses.push_back({workspace, needed, true});
    work.run = [=] { Compute(product, left, right, old, result, &bias, scale, keep); };
    machine.Submit(reinterpret_cast<CUstream>(stream), std::move(work));
  });
}

}  // extern "C"
