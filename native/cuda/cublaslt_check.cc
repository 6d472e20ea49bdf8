// Compares cublaslt_api.h with the header it stands in for; not part of the addon.
// Invariant: compiles if and only if every value and layout agrees.
#include <cublasLt.h>

#include <cstddef>
#include <cstdint>

#undef ALEXNET_REAL_CUBLASLT
#define ALEXNET_CUBLASLT_TYPES_ONLY
namespace own {
#include "cuda/cublaslt_api.h"
}

#define ALEXNET_SAME(name) static_assert(static_cast<int>(own::name) == static_cast<int>(::name), #name)
ALEXNET_SAME(CUBLAS_STATUS_SUCCESS);
ALEXNET_SAME(CUBLAS_STATUS_NOT_INITIALIZED);
ALEXNET_SAME(CUBLAS_STATUS_ALLOC_FAILED);
ALEXNET_SAME(CUBLAS_STATUS_INVALID_VALUE);
ALEXNET_SAME(CUBLAS_STATUS_ARCH_MISMATCH);
ALEXNET_SAME(CUBLAS_STATUS_MAPPING_ERROR);
ALEXNET_SAME(CUBLAS_STATUS_EXECUTION_FAILED);
ALEXNET_SAME(CUBLAS_STATUS_INTERNAL_ERROR);
ALEXNET_SAME(CUBLAS_STATUS_NOT_SUPPORTED);
ALEXNET_SAME(CUBLAS_STATUS_LICENSE_ERROR);
ALEXNET_SAME(CUBLAS_OP_N);
ALEXNET_SAME(CUBLAS_OP_T);
ALEXNET_SAME(CUBLAS_COMPUTE_32F);
ALEXNET_SAME(CUBLAS_COMPUTE_32F_FAST_TF32);
ALEXNET_SAME(CUBLASLT_MATMUL_DESC_TRANSA);
ALEXNET_SAME(CUBLASLT_MATMUL_DESC_TRANSB);
ALEXNET_SAME(CUBLASLT_MATMUL_DESC_EPILOGUE);
ALEXNET_SAME(CUBLASLT_MATMUL_DESC_BIAS_POINTER);
ALEXNET_SAME(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
ALEXNET_SAME(CUBLASLT_EPILOGUE_DEFAULT);
ALEXNET_SAME(CUBLASLT_EPILOGUE_RELU);
ALEXNET_SAME(CUBLASLT_EPILOGUE_BIAS);
ALEXNET_SAME(CUBLASLT_EPILOGUE_RELU_BIAS);
ALEXNET_SAME(CUBLASLT_EPILOGUE_BGRADB);
ALEXNET_SAME(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES);

static_assert(sizeof(own::cublasStatus_t) == sizeof(::cublasStatus_t));
static_assert(sizeof(own::cublasLtEpilogue_t) == sizeof(::cublasLtEpilogue_t));
static_assert(sizeof(own::cublasOperation_t) == sizeof(::cublasOperation_t));
static_assert(sizeof(own::cublasLtMatmulAlgo_t) == sizeof(::cublasLtMatmulAlgo_t));
static_assert(sizeof(own::cublasLtMatmulHeuristicResult_t) == sizeof(::cublasLtMatmulHeuristicResult_t));
static_assert(offsetof(own::cublasLtMatmulHeuristicResult_t, workspaceSize) ==
              offsetof(::cublasLtMatmulHeuristicResult_t, workspaceSize));
static_assert(offsetof(own::cublasLtMatmulHeuristicResult_t, state) ==
              offsetof(::cublasLtMatmulHeuristicResult_t, state));
