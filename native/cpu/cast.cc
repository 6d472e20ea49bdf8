// Conversions between element types, through float32.
// Invariant: to floating point, round to nearest even; to integers, round to nearest even and saturate, NaN
// becomes 0.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/floats.h"
#include "cpu/kernels.h"

namespace alexnet::cpu {
namespace {

struct Float16 {
  uint16_t bits;
};

float ToFloat(float value) {
  return value;
}
float ToFloat(int32_t value) {
  return static_cast<float>(value);
}
float ToFloat(uint8_t value) {
  return value;
}
float ToFloat(int8_t value) {
  return value;
}
float ToFloat(BFloat16 value) {
  return Load(&value);
}

float ToFloat(Float16 value) {
  const uint32_t sign = uint32_t{value.bits & 0x8000u} << 16;
  const uint32_t exponent = (value.bits >> 10) & 0x1Fu, mantissa = value.bits & 0x3FFu;
  if (exponent == 0x1F) return FromBits(sign | 0x7F800000u | (mantissa << 13));
  if (exponent != 0) return FromBits(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);  // zero or subnormal
  return sign ? -magnitude : magnitude;
}

template <typename T>
T FromFloat(float value);

template <>
float FromFloat<float>(float value) {
  return value;
}

template <>
int32_t FromFloat<int32_t>(float value) {
  if (std::isnan(value)) return 0;
  if (value >= 2147483648.f) return std::numeric_limits<int32_t>::max();
  if (value <= -2147483648.f) return std::numeric_limits<int32_t>::min();
  return static_cast<int32_t>(std::nearbyint(value));
}

template <>
uint8_t FromFloat<uint8_t>(float value) {
  if (!(value > 0.f)) return 0;
  return value >= 255.f ? uint8_t{255} : static_cast<uint8_t>(std::nearbyint(value));
}

template <>
int8_t FromFloat<int8_t>(float value) {
  if (std::isnan(value)) return 0;
  return static_cast<int8_t>(std::nearbyint(std::clamp(value, -128.f, 127.f)));
}

template <>
BFloat16 FromFloat<BFloat16>(float value) {
  BFloat16 narrow;
  Store(value, &narrow);
  return narrow;
}

template <>
Float16 FromFloat<Float16>(float value) {
  const uint32_t bits = Bits(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = FromBits(bits & 0x7FFFFFFFu);
  if (std::isnan(value)) return {static_cast<uint16_t>(sign | 0x7E00u)};
  if (magnitude >= 65520.f) return {static_cast<uint16_t>(sign | 0x7C00u)};
  if (magnitude < 6.103515625e-05f) {  // 2^-14: subnormal in half precision, a multiple of 2^-24
    return {static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))))};
  }
  const uint32_t rebiased = (bits & 0x7FFFFFFFu) - (112u << 23);
  return {static_cast<uint16_t>(sign | ((rebiased + 0xFFFu + ((rebiased >> 13) & 1u)) >> 13))};
}

template <typename From, typename To>
void Convert(const void* from, void* to, int64_t count) {
  const auto* source = static_cast<const From*>(from);
  auto* target = static_cast<To*>(to);
  ParallelFor(count, 1 << 15, [=](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) target[i] = FromFloat<To>(ToFloat(source[i]));
  });
}

template <typename From>
void ConvertFrom(const void* from, DType to_type, void* to, int64_t count) {
  switch (to_type) {
    case DType::kFloat32:
      return Convert<From, float>(from, to, count);
    case DType::kBFloat16:
      return Convert<From, BFloat16>(from, to, count);
    case DType::kFloat16:
      return Convert<From, Float16>(from, to, count);
    case DType::kInt32:
      return Convert<From, int32_t>(from, to, count);
    case DType::kUint8:
      return Convert<From, uint8_t>(from, to, count);
    case DType::kInt8:
      return Convert<From, int8_t>(from, to, count);
    case DType::kOpaque:
      break;
  }
  throw Error(ErrorCode::kUnsupported, "opaque state cannot be cast");
}

bool IsFloatOrBFloat16(DType dtype) {
  return dtype == DType::kFloat32 || dtype == DType::kBFloat16;
}

/** Between what networks compute in, vectorised. */
void CastFloats(CpuBackend& backend, const Tensor& x, Tensor& y) {
  const dnnl::memory::desc order = SameOrder(AsIs(x).layout, y);
  const bool plain = order == PlainLayout(y);
  const Buffer from = plain ? Plain(backend, x) : AsIs(x);
  const Buffer& to = backend.Create(y, order);
  const bool widens = y.dtype == DType::kFloat32;
  ParallelFor(y.elements(), 1 << 15, [&](int64_t begin, int64_t end) {
    if (widens) {
      Widen(static_cast<const BFloat16*>(from.data()) + begin, to.floats() + begin, end - begin);
    } else {
      Narrow(from.floats() + begin, static_cast<BFloat16*>(to.data()) + begin, end - begin);
    }
  });
}

}  // namespace

void Cast(CpuBackend& backend, OpCall& call) {
  const Tensor& x = *call.inputs[0];
  Tensor& y = *call.outputs[0];
  if (x.dtype == y.dtype) {  // as in Reshape, memory is shared: not even a NaN's payload changes
    y.storage = std::make_shared<CpuStorage>(Plain(backend, x));
    return;
  }
  if (IsFloatOrBFloat16(x.dtype) && IsFloatOrBFloat16(y.dtype)) return CastFloats(backend, x, y);
  const Buffer from = Plain(backend, x);
  void* const to = backend.CreatePlain(y).data();
  switch (x.dtype) {
    case DType::kFloat32:
      return ConvertFrom<float>(from.data(), y.dtype, to, y.elements());
    case DType::kBFloat16:
      return ConvertFrom<BFloat16>(from.data(), y.dtype, to, y.elements());
    case DType::kFloat16:
      return ConvertFrom<Float16>(from.data(), y.dtype, to, y.elements());
    case DType::kInt32:
      return ConvertFrom<int32_t>(from.data(), y.dtype, to, y.elements());
    case DType::kUint8:
      return ConvertFrom<uint8_t>(from.data(), y.dtype, to, y.elements());
    case DType::kInt8:
      return ConvertFrom<int8_t>(from.data(), y.dtype, to, y.elements());
    case DType::kOpaque:
      break;
  }
  throw Error(ErrorCode::kUnsupported, "opaque state cannot be cast");
}

}  // namespace alexnet::cpu
