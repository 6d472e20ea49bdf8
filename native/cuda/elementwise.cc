// Filling, reshaping, arithmetic on elements, and sums.
// Invariant: sums are made in double precision and in the same order each time.
#include <cstring>

#include "cuda/kernels.h"

namespace alexnet::cuda {
namespace {

template <typename Word>
Word BitsOf(Word value) {
  return value;
}
uint32_t BitsOf(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <typename Word>
void FillWith(CudaBackend& backend, Tensor& y, const char* kernel, Word value) {
  backend.gpu().Launch(kernel, backend.gpu().Spread(y.elements()), backend.CreatePlain(y).data(),
                       y.elements(), value);
}

void Binary(CudaBackend& backend, OpCall& call, const char* kernel) {
  const Tensor& z = *call.outputs[0];
  const Buffer x = AsIs(*call.inputs[0]);
  const Buffer y = In(backend, *call.inputs[1], x.order);
  const std::string typed = Typed(kernel, z.dtype);
  backend.gpu().Launch(typed, backend.gpu().Spread(z.elements()), x.data(), y.data(),
                       backend.Create(*call.outputs[0], x.order).data(), z.elements());
}

void Total(CudaBackend& backend, OpCall& call, const char* kernel) {
  const int64_t elements = call.inputs[0]->elements();
  const Buffer x = Floats(backend, *call.inputs[0], AsIs(*call.inputs[0]).order);
  const Grid grid = backend.gpu().Spread(elements);
  const Buffer partials = {Order::kRowMajor, backend.Allocate(grid.x * sizeof(double))};
  FloatOutput y(backend, *call.outputs[0], Order::kRowMajor);
  backend.gpu().Launch(kernel, grid, x.data(), partials.data(), elements);
  backend.gpu().Launch("finish_sum", Grid{}, partials.data(), y.data(), int64_t{grid.x}, 1.0);
  y.Finish();
}

}  // namespace

void Fill(CudaBackend& backend, OpCall& call) {
  Tensor& y = *call.outputs[0];
  const double value = call.Number("value");
  switch (y.dtype) {
    case DType::kFloat32:
      return FillWith(backend, y, "fill_32", BitsOf(static_cast<float>(value)));
    case DType::kInt32:
      return FillWith(backend, y, "fill_32", static_cast<uint32_t>(static_cast<int32_t>(value)));
    case DType::kUint8:
      return FillWith(backend, y, "fill_8", static_cast<uint8_t>(value));
    default:
      throw Error(ErrorCode::kUnsupported,
                  Message("fill does not write ", ToString(y.dtype), "; fill float32 and cast"));
  }
}

// The new tensor shares memory with the old one where that lies row-major; ops never write into what is
// shared.
void Reshape(CudaBackend& backend, OpCall& call) {
  call.outputs[0]->storage = std::make_shared<CudaStorage>(Plain(backend, *call.inputs[0]));
}

void Affine(CudaBackend& backend, OpCall& call) {
  const auto scale = static_cast<float>(call.Number("scale")),
             shift = static_cast<float>(call.Number("shift"));
  Tensor& y = *call.outputs[0];
  const Buffer x = AsIs(*call.inputs[0]);
  const std::string kernel = Typed("affine", y.dtype);
  backend.gpu().Launch(kernel, backend.gpu().Spread(y.elements()), x.data(),
                       backend.Create(y, x.order).data(), y.elements(), scale, shift);
}

void Clamp(CudaBackend& backend, OpCall& call) {
  const auto low = static_cast<float>(call.Number("low")), high = static_cast<float>(call.Number("high"));
  Tensor& y = *call.outputs[0];
  const Buffer x = AsIs(*call.inputs[0]);
  const std::string kernel = Typed("clamp", y.dtype);
  backend.gpu().Launch(kernel, backend.gpu().Spread(y.elements()), x.data(),
                       backend.Create(y, x.order).data(), y.elements(), low, high);
}

// The factor is on the device, so that nobody has to wait for it.
void ScaleBy(CudaBackend& backend, OpCall& call) {
  Tensor& y = *call.outputs[0];
  const Buffer x = AsIs(*call.inputs[0]), factor = Floats(backend, *call.inputs[1], Order::kRowMajor);
  const std::string kernel = Typed("scale_by", y.dtype);
  backend.gpu().Launch(kernel, backend.gpu().Spread(y.elements()), x.data(), factor.data(),
                       backend.Create(y, x.order).data(), y.elements());
}

void Add(CudaBackend& backend, OpCall& call) {
  Binary(backend, call, "add");
}
void Multiply(CudaBackend& backend, OpCall& call) {
  Binary(backend, call, "multiply");
}
void Sum(CudaBackend& backend, OpCall& call) {
  Total(backend, call, "sum");
}
void SumSquares(CudaBackend& backend, OpCall& call) {
  Total(backend, call, "sum_squares");
}

}  // namespace alexnet::cuda
