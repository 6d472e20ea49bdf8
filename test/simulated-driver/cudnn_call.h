// What every function of the simulated cuDNN does first and last: injected failures, a lost context, errors
// with words.
// Invariant: no exception leaves a C function.
#pragma once

#include <cudnn.h>

#include <string>

#include "cudnn_descriptors.h"
#include "machine.h"
#include "numbers.h"

struct cudnnContext {
  CUstream stream = nullptr;
};

namespace simulation {

/** Kept for cudnnGetLastErrorString. */
std::string& LastCudnnError();

template <typename Body>
cudnnStatus_t CudnnCall(const char* call, const Body& body) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  if (const int injected = machine.Enter(call)) {
    LastCudnnError() = std::string(call) + ": injected";
    return static_cast<cudnnStatus_t>(injected);
  }
  if (machine.sticky != CUDA_SUCCESS) return CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER;
  try {
    body(machine);
    return CUDNN_STATUS_SUCCESS;
  } catch (const CudnnError& error) {
    LastCudnnError() = std::string(call) + ": " + error.message;
    return error.status;
  } catch (const std::exception& error) {
    LastCudnnError() = std::string(call) + ": " + error.what();
    return CUDNN_STATUS_INTERNAL_ERROR;
  }
}

/** @throws CudnnError and reports a violation if the handle is not a live one of this kind */
inline void Require(Machine& machine, const void* handle, const char* kind, const char* call) {
  if (!machine.Check(handle, kind, call))
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, std::string("not a ") + kind};
}

/** The stream to work on. @throws CudnnError if none was set */
inline CUstream StreamOfHandle(Machine& machine, cudnnHandle_t handle, const char* call) {
  Require(machine, handle, "cuDNN handle", call);
  if (!handle->stream) throw CudnnError{CUDNN_STATUS_BAD_PARAM, "the handle has no stream"};
  Require(machine, handle->stream, "stream", call);
  return handle->stream;
}

inline Number NumberOf(cudnnDataType_t type) {
  switch (type) {
    case CUDNN_DATA_FLOAT:
      return Number::kFloat32;
    case CUDNN_DATA_HALF:
      return Number::kFloat16;
    case CUDNN_DATA_BFLOAT16:
      return Number::kBFloat16;
    default:
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "a data type that is not simulated"};
  }
}

}  // namespace simulation
