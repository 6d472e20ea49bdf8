// Describes the product, takes cuBLASLt's first suggestion, runs it.
// Invariant: scratch memory is within the limit, from the allocator, and given back at once: its next user
// comes later on the same stream.
#include "cuda/matrix_product.h"

#include <utility>

namespace alexnet::cuda {
namespace {

template <typename Value>
void Set(const Libraries& libraries, cublasLtMatmulDesc_t operation, cublasLtMatmulDescAttributes_t attribute,
         Value value) {
  ALEXNET_CUBLASLT_CALL(libraries, cublasLtMatmulDescSetAttribute(
                                       operation, attribute, static_cast<const void*>(&value), sizeof value));
}

cublasLtMatrixLayout_t Layout(const Libraries& libraries, DType dtype, int64_t rows, int64_t columns) {
  cublasLtMatrixLayout_t layout = nullptr;
  ALEXNET_CUBLASLT_CALL(libraries,
                        cublasLtMatrixLayoutCreate(&layout, CudaType(dtype), static_cast<uint64_t>(rows),
                                                   static_cast<uint64_t>(columns), rows));
  return layout;
}

}  // namespace

MatrixProduct::MatrixProduct(const CudaBackend& backend, const ProductProblem& problem)
    : libraries_(backend.gpu().libraries()), problem_(problem) {
  try {
    Describe(backend);
    Choose(backend);
  } catch (...) {
    Release();
    throw;
  }
}

MatrixProduct::~MatrixProduct() {
  Release();
}

void MatrixProduct::Release() {
  for (auto* const layout : {a_, b_, d_}) {
    if (layout != nullptr) libraries_.cublaslt.cublasLtMatrixLayoutDestroy(layout);
  }
  if (operation_ != nullptr) libraries_.cublaslt.cublasLtMatmulDescDestroy(operation_);
}

void MatrixProduct::Describe(const CudaBackend& backend) {
  const bool tf32 = backend.options().tf32 && problem_.input == DType::kFloat32;
  const auto compute = tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
  ALEXNET_CUBLASLT_CALL(libraries_, cublasLtMatmulDescCreate(&operation_, compute, CUDA_R_32F));
  Set(libraries_, operation_, CUBLASLT_MATMUL_DESC_TRANSA, problem_.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
  Set(libraries_, operation_, CUBLASLT_MATMUL_DESC_TRANSB, problem_.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
  Set(libraries_, operation_, CUBLASLT_MATMUL_DESC_EPILOGUE, problem_.epilogue);
  if (problem_.epilogue != CUBLASLT_EPILOGUE_DEFAULT && problem_.epilogue != CUBLASLT_EPILOGUE_RELU) {
    Set(libraries_, operation_, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, CudaType(problem_.bias));
  }
  const int64_t m = problem_.m, n = problem_.n, k = problem_.k;
  a_ = problem_.transpose_a ? Layout(libraries_, problem_.input, k, m)
                            : Layout(libraries_, problem_.input, m, k);
  b_ = problem_.transpose_b ? Layout(libraries_, problem_.input, n, k)
                            : Layout(libraries_, problem_.input, k, n);
  d_ = Layout(libraries_, problem_.output, m, n);
}

void MatrixProduct::Choose(const CudaBackend& backend) {
  cublasLtMatmulPreference_t preference = nullptr;
  ALEXNET_CUBLASLT_CALL(libraries_, cublasLtMatmulPreferenceCreate(&preference));
  const uint64_t limit = backend.options().workspace_limit_bytes;
  const cublasStatus_t set = libraries_.cublaslt.cublasLtMatmulPreferenceSetAttribute(
      preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &limit, sizeof limit);
  cublasLtMatmulHeuristicResult_t result = {};
  int count = 0;
  const cublasStatus_t found = libraries_.cublaslt.cublasLtMatmulAlgoGetHeuristic(
      backend.gpu().cublaslt(), operation_, a_, b_, d_, d_, preference, 1, &result, &count);
  libraries_.cublaslt.cublasLtMatmulPreferenceDestroy(preference);
  libraries_.CheckCublasLt(set, "cublasLtMatmulPreferenceSetAttribute");
  if (found == CUBLAS_STATUS_NOT_SUPPORTED || (found == CUBLAS_STATUS_SUCCESS && count == 0)) {
    throw Error(ErrorCode::kUnsupported,
                Message("cuBLAS has no way to multiply [", problem_.m, ", ", problem_.k, "] by [", problem_.k,
                        ", ", problem_.n, "] in ", ToString(problem_.input), " with ", limit >> 20,
                        " MiB of workspace; raise workspaceLimitBytes, or compute in float32"));
  }
  libraries_.CheckCublasLt(found, "cublasLtMatmulAlgoGetHeuristic");
  algorithm_ = result.algo;
  workspace_bytes_ = result.workspaceSize;
}

void MatrixProduct::Run(CudaBackend& backend, const void* a, const void* b, void* d, void* bias) const {
  if (bias != nullptr) Set(libraries_, operation_, CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias);
  const Block workspace = workspace_bytes_ == 0 ? nullptr : backend.Allocate(workspace_bytes_);
  const float one = 1, zero = 0;
  ALEXNET_CUBLASLT_CALL(
      libraries_, cublasLtMatmul(backend.gpu().cublaslt(), operation_, &one, a, a_, b, b_, &zero, d, d_, d,
                                 d_, &algorithm_, workspace.get(), workspace_bytes_, backend.gpu().stream()));
}

std::string MatrixProduct::description() const {
  return Message("cuBLASLt, epilogue ", static_cast<int>(problem_.epilogue), ", workspace ",
                 workspace_bytes_ >> 10, " KiB");
}

}  // namespace alexnet::cuda
