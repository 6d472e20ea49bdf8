// Element types of the simulated libraries, read into double and rounded once when written.
// Invariant: arithmetic between reading and writing is in double; nothing imitates a card's own rounding.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstddef>
#include <cstdint>

namespace simulation {

enum class Number { kFloat32, kFloat16, kBFloat16 };

inline size_t SizeOf(Number number) {
  return number == Number::kFloat32 ? 4 : 2;
}

inline double ToDouble(float value) {
  return value;
}
inline double ToDouble(__half value) {
  return static_cast<double>(__half2float(value));
}
inline double ToDouble(__nv_bfloat16 value) {
  return static_cast<double>(__bfloat162float(value));
}

template <typename T>
T FromDouble(double value);
template <>
inline float FromDouble<float>(double value) {
  return static_cast<float>(value);
}
template <>
inline __half FromDouble<__half>(double value) {
  return __double2half(value);
}
template <>
inline __nv_bfloat16 FromDouble<__nv_bfloat16>(double value) {
  return __double2bfloat16(value);
}

/** Calls `body(T{})` with the C++ type of a floating-point type. */
template <typename Body>
void WithType(Number number, Body body) {
  switch (number) {
    case Number::kFloat32:
      return body(float{});
    case Number::kFloat16:
      return body(__half{});
    case Number::kBFloat16:
      break;
  }
  return body(__nv_bfloat16{});
}

/** One element of any floating-point type. */
inline double Read(Number number, const void* base, int64_t index) {
  double value = 0;
  WithType(number, [&](auto type) { value = ToDouble(static_cast<const decltype(type)*>(base)[index]); });
  return value;
}

inline void Write(Number number, void* base, int64_t index, double value) {
  WithType(number, [&](auto type) {
    using T = decltype(type);
    static_cast<T*>(base)[index] = FromDouble<T>(value);
  });
}

}  // namespace simulation
