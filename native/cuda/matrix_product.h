// A compiled matrix product of cuBLASLt, with what it fuses.
// Invariant: matrices are column-major, as cuBLASLt wants them; a row-major matrix is its transpose.
#pragma once

#include <string>

#include "cuda/backend.h"

namespace alexnet::cuda {

/** D [m, n] = op(A) op(B), op(A): [m, k], op(B): [k, n]; all dense. */
struct ProductProblem {
  int64_t m, n, k;
  bool transpose_a, transpose_b;
  DType input, output;
  cublasLtEpilogue_t epilogue;
  DType bias;  // type of the epilogue's vector
};

class MatrixProduct final : public Compiled {
 public:
  /** @throws Error with kUnsupported if cuBLASLt has no algorithm for it */
  MatrixProduct(const CudaBackend& backend, const ProductProblem& problem);
  MatrixProduct(const MatrixProduct&) = delete;
  MatrixProduct& operator=(const MatrixProduct&) = delete;
  ~MatrixProduct() override;

  /** @param bias  the epilogue's vector, read or written; null if it has none */
  void Run(CudaBackend& backend, const void* a, const void* b, void* d, void* bias) const;
  cublasLtEpilogue_t epilogue() const { return problem_.epilogue; }
  std::string description() const;

 private:
  void Describe(const CudaBackend& backend);
  void Choose(const CudaBackend& backend);
  void Release();

  const Libraries& libraries_;
  const ProductProblem problem_;
  cublasLtMatmulDesc_t operation_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, d_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_ = {};
  size_t workspace_bytes_ = 0;
};

}  // namespace alexnet::cuda
