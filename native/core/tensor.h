// A tensor as the device queue sees it: logical type and shape, and storage whose layout is the backend's
// business.
// Invariant: dtype and shape never change; storage and failure are touched by the queue's thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace alexnet {

/** Opaque tensors hold what a forward op leaves for its backward op; their bytes never cross the boundary. */
enum class DType { kFloat32, kBFloat16, kFloat16, kInt32, kUint8, kInt8, kOpaque };

/** Bytes of one element; 0 for opaque. */
inline size_t SizeOf(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
    case DType::kInt32:
      return 4;
    case DType::kBFloat16:
    case DType::kFloat16:
      return 2;
    case DType::kUint8:
    case DType::kInt8:
      return 1;
    case DType::kOpaque:
      break;
  }
  return 0;
}

inline const char* ToString(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return "float32";
    case DType::kBFloat16:
      return "bfloat16";
    case DType::kFloat16:
      return "float16";
    case DType::kInt32:
      return "int32";
    case DType::kUint8:
      return "uint8";
    case DType::kInt8:
      return "int8";
    case DType::kOpaque:
      break;
  }
  return "opaque";
}

using Shape = std::vector<int64_t>;

inline int64_t ElementCount(const Shape& shape) {
  int64_t count = 1;
  for (int64_t extent : shape) count *= extent;
  return count;
}

inline std::string ToString(const Shape& shape) {
  std::string text = "[";
  for (size_t i = 0; i < shape.size(); ++i) text += (i ? ", " : "") + std::to_string(shape[i]);
  return text + "]";
}

/** What a backend keeps for a tensor; destroyed on the queue's thread. */
class Storage {
 public:
  Storage() = default;
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  virtual ~Storage() = default;
};

/** Why an op failed, kept with the tensors it should have written, so that whoever reads them learns it. */
struct Failure {
  std::string code;
  std::string message;
  std::string op;
  std::string label;
};

struct Tensor {
  Tensor(DType dtype, Shape shape) : dtype(dtype), shape(std::move(shape)) {}

  const DType dtype;
  const Shape shape;
  std::shared_ptr<Storage> storage;
  std::shared_ptr<const Failure> failure;

  int64_t elements() const { return ElementCount(shape); }
  size_t bytes() const { return static_cast<size_t>(elements()) * SizeOf(dtype); }
};

using TensorPtr = std::shared_ptr<Tensor>;

}  // namespace alexnet
