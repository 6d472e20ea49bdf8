// Fully connected layers on cuBLASLt: x [N, I], w [O, I], y [N, O], all row-major, so that each product is of
// the transposes.
// Invariant: bias, ReLU and the bias's gradient are fused where cuBLASLt can, else kernels of their own.
#include "cuda/bias.h"
#include "cuda/kernels.h"
#include "cuda/matrix_product.h"

namespace alexnet::cuda {
namespace {

/** The product with `epilogue`, or if cuBLASLt does not have that, without. */
Plan Compile(CudaBackend& backend, ProductProblem problem) {
  backend.LeaveGraph();
  std::shared_ptr<const MatrixProduct> product;
  try {
    product = std::make_shared<const MatrixProduct>(backend, problem);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::kUnsupported || problem.epilogue == CUBLASLT_EPILOGUE_DEFAULT) throw;
    problem.epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    product = std::make_shared<const MatrixProduct>(backend, problem);
  }
  return {product, product->description()};
}

cublasLtEpilogue_t Epilogue(const OpCall& call) {
  const bool bias = call.inputs[2] != nullptr, relu = call.Flag("relu");
  if (bias) return relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
  return relu ? CUBLASLT_EPILOGUE_RELU : CUBLASLT_EPILOGUE_DEFAULT;
}

}  // namespace

void LinearForward(CudaBackend& backend, OpCall& call) {
  const Tensor &x = *call.inputs[0], &w = *call.inputs[1];
  Tensor& y = *call.outputs[0];
  const TensorPtr& b = call.inputs[2];
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] {
    return Compile(backend, {y.shape[1], y.shape[0], x.shape[1], true, false, x.dtype, y.dtype,
                             Epilogue(call), y.dtype});
  });
  const auto& product = plan->as<MatrixProduct>();
  const bool fused = product.epilogue() != CUBLASLT_EPILOGUE_DEFAULT;
  const Buffer bias =
      !b ? Buffer{} : Weights(backend, *b, Order::kRowMajor, fused ? y.dtype : DType::kFloat32);
  product.Run(backend, Weights(backend, w, Order::kRowMajor, x.dtype).data(), Plain(backend, x).data(),
              backend.CreatePlain(y).data(), fused ? bias.data() : nullptr);
  if (!fused) AddBiasRelu(backend, y, bias.as<const float>(), y.shape[1], 1, call.Flag("relu"));
}

void LinearBackwardData(CudaBackend& backend, OpCall& call) {
  const Tensor &w = *call.inputs[0], &dy = *call.inputs[1];
  Tensor& dx = *call.outputs[0];
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] {
    return Compile(backend, {dx.shape[1], dx.shape[0], dy.shape[1], false, false, dy.dtype, dx.dtype,
                             CUBLASLT_EPILOGUE_DEFAULT, dx.dtype});
  });
  plan->as<MatrixProduct>().Run(backend, Weights(backend, w, Order::kRowMajor, dy.dtype).data(),
                                Plain(backend, dy).data(), backend.CreatePlain(dx).data(), nullptr);
}

void LinearBackwardWeights(CudaBackend& backend, OpCall& call) {
  const Tensor &x = *call.inputs[0], &dy = *call.inputs[1];
  Tensor& dw = *call.outputs[0];
  const TensorPtr& db = call.outputs[1];
  const auto plan = backend.plans().Get(call, PlanKey(call), [&] {
    const auto epilogue = db ? CUBLASLT_EPILOGUE_BGRADB : CUBLASLT_EPILOGUE_DEFAULT;
    return Compile(backend, {dw.shape[1], dw.shape[0], dy.shape[0], false, true, x.dtype, dw.dtype, epilogue,
                             db ? db->dtype : dw.dtype});
  });
  const auto& product = plan->as<MatrixProduct>();
  const bool fused = product.epilogue() != CUBLASLT_EPILOGUE_DEFAULT;
  const Buffer gradient = Plain(backend, dy);
  product.Run(backend, Plain(backend, x).data(), gradient.data(), backend.CreatePlain(dw).data(),
              fused ? backend.CreatePlain(*db).data() : nullptr);
  if (db && !fused) SumColumns(backend, gradient, dy.dtype, dy.shape[0], dy.shape[1], *db);
}

}  // namespace alexnet::cuda
