// cuDNN's backend descriptors: typed attributes, frozen when finalised, with shared ownership of what they
// refer to.
// Invariant: an attribute that the simulation does not know is refused, never ignored.
#pragma once

#include <cudnn.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

/** A status with the words that cudnnGetLastErrorString gives. */
struct CudnnError {
  cudnnStatus_t status;
  std::string message;
};

struct Descriptor {
  struct Value {
    cudnnBackendAttributeType_t type = CUDNN_TYPE_INT64;
    int64_t count = 0;
    std::vector<unsigned char> bytes;
    std::vector<std::shared_ptr<const Descriptor>> descriptors;
  };

  cudnnBackendDescriptorType_t type = CUDNN_BACKEND_TENSOR_DESCRIPTOR;
  bool finalized = false;
  std::map<cudnnBackendAttributeName_t, Value> values;

  bool Has(cudnnBackendAttributeName_t name) const { return values.count(name) != 0; }
  /** The attribute's elements. @throws CudnnError if it is not set */
  template <typename T>
  std::vector<T> List(cudnnBackendAttributeName_t name) const {
    const Value& value = At(name);
    const T* begin = reinterpret_cast<const T*>(value.bytes.data());
    return std::vector<T>(begin, begin + value.bytes.size() / sizeof(T));
  }
  template <typename T>
  T Scalar(cudnnBackendAttributeName_t name) const {
    return List<T>(name).at(0);
  }
  template <typename T>
  T ScalarOr(cudnnBackendAttributeName_t name, T fallback) const {
    return Has(name) ? Scalar<T>(name) : fallback;
  }
  double Real(cudnnBackendAttributeName_t name) const;
  const Descriptor& Child(cudnnBackendAttributeName_t name) const;
  void Set(cudnnBackendAttributeName_t name, cudnnBackendAttributeType_t type, int64_t count,
           const void* elements);

 private:
  const Value& At(cudnnBackendAttributeName_t name) const;
};

/** What a cudnnBackendDescriptor_t points to. */
struct DescriptorHandle {
  std::shared_ptr<Descriptor> descriptor;
};

/** Bytes of an element of an attribute; 0 for types that are not simulated. */
size_t SizeOf(cudnnBackendAttributeType_t type);

/** @throws CudnnError if a descriptor of this type has no such attribute, or it is of another type */
void CheckAttribute(cudnnBackendDescriptorType_t descriptor, cudnnBackendAttributeName_t name,
                    cudnnBackendAttributeType_t type);
/** @throws CudnnError naming an attribute that must be set and is not */
void CheckComplete(const Descriptor& descriptor);
const char* NameOf(cudnnBackendDescriptorType_t type);

}  // namespace simulation
