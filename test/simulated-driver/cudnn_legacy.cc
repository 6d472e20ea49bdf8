// cuDNN's older calls: handles, tensor descriptors, local response normalisation, pooling, activations,
// softmax.
// Invariant: a call checks its descriptors and its memory at once, and computes when its stream gets there.
#include <cudnn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#include "convolution.h"
#include "cudnn_call.h"

struct cudnnTensorStruct {
  simulation::Tensor4 tensor;
  bool set = false;
};

struct cudnnLRNStruct {
  unsigned size = 5;
  double alpha = 1e-4, beta = 0.75, k = 2;
};

struct cudnnPoolingStruct {
  cudnnPoolingMode_t mode = CUDNN_POOLING_MAX;
  int64_t window_h = 0, window_w = 0, pad_h = 0, pad_w = 0, stride_h = 1, stride_w = 1;
};

struct cudnnActivationStruct {
  cudnnActivationMode_t mode = CUDNN_ACTIVATION_RELU;
  double coefficient = 0;
};

namespace simulation {
namespace {

constexpr const char* kTensorKind = "tensor descriptor";
constexpr const char* kLrnKind = "LRN descriptor";
constexpr const char* kPoolingKind = "pooling descriptor";
constexpr const char* kActivationKind = "activation descriptor";

/** A tensor of a call: where it is and how it lies there. */
struct View {
  Tensor4 tensor;
  void* data = nullptr;

  double At(int64_t n, int64_t c, int64_t h, int64_t w) const {
    return Read(tensor.type, data, tensor.Offset(n, c, h, w));
  }
};

/** alpha * value + beta * what is there: how every call writes. */
struct Blend {
  double alpha, beta;

  Blend(const void* alpha, const void* beta)
      : alpha(static_cast<double>(*static_cast<const float*>(alpha))),
        beta(static_cast<double>(*static_cast<const float*>(beta))) {}

  void Store(const View& view, int64_t n, int64_t c, int64_t h, int64_t w, double value) const {
    const int64_t offset = view.tensor.Offset(n, c, h, w);
    // With beta 0 the old value is not read: it may be NaN.
    const double old = beta == 0 ? 0 : beta * Read(view.tensor.type, view.data, offset);
    Write(view.tensor.type, view.data, offset, alpha * value + old);
  }
};

View ViewOf(Machine& machine, cudnnTensorDescriptor_t descriptor, const void* data, const char* call) {
  Require(machine, descriptor, kTensorKind, call);
  if (!descriptor->set || !data)
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, "a tensor descriptor or a pointer is not set"};
  return {descriptor->tensor, const_cast<void*>(data)};
}

Access AccessOf(const View& view, bool write) {
  return {view.data, static_cast<size_t>(view.tensor.Span()) * SizeOf(view.tensor.type), write};
}

void RequireSameShape(const View& a, const View& b) {
  if (!std::equal(a.tensor.dims, a.tensor.dims + 4, b.tensor.dims) || a.tensor.type != b.tensor.type) {
    throw CudnnError{CUDNN_STATUS_BAD_PARAM, "tensors must have one shape and one type"};
  }
}

/** Calls body(n, c, h, w) for every element, pictures' rows in parallel. */
template <typename Body>
void ForEach(const Tensor4& tensor, const Body& body) {
  const int64_t* dims = tensor.dims;
#pragma omp parallel for schedule(dynamic)
  for (int64_t row = 0; row < dims[0] * dims[2]; ++row) {
    for (int64_t w = 0; w < dims[3]; ++w) {
      for (int64_t c = 0; c < dims[1]; ++c) body(row / dims[2], c, row % dims[2], w);
    }
  }
}

/** Where a window of the LRN begins and ends, in channels. */
struct Channels {
  int64_t begin, end;

  Channels(const cudnnLRNStruct& lrn, int64_t c, int64_t channels) {
    const int64_t behind = (lrn.size - 1) / 2;
    begin = std::max<int64_t>(0, c - behind);
    end = std::min<int64_t>(channels, c - behind + lrn.size);
  }
};

/** k plus alpha over the window's mean of squares: cuDNN divides alpha by the window. */
double LrnScale(const cudnnLRNStruct& lrn, const View& x, int64_t n, int64_t c, int64_t h, int64_t w) {
  const Channels window(lrn, c, x.tensor.dims[1]);
  double sum = 0;
  for (int64_t j = window.begin; j < window.end; ++j) sum += x.At(n, j, h, w) * x.At(n, j, h, w);
  return lrn.k + lrn.alpha / lrn.size * sum;
}

double LrnGradient(const cudnnLRNStruct& lrn, const View& x, const View& y, const View& dy, int64_t n,
                   int64_t c, int64_t h, int64_t w) {
  double through = 0;
  const int64_t channels = x.tensor.dims[1], reach = lrn.size;
  for (int64_t j = std::max<int64_t>(0, c - reach); j < std::min(channels, c + reach); ++j) {
    const Channels window(lrn, j, channels);
    if (c < window.begin || c >= window.end) continue;
    through += dy.At(n, j, h, w) * y.At(n, j, h, w) / LrnScale(lrn, x, n, j, h, w);
  }
  return dy.At(n, c, h, w) * std::pow(LrnScale(lrn, x, n, c, h, w), -lrn.beta) -
         2 * lrn.alpha * lrn.beta / lrn.size * x.At(n, c, h, w) * through;
}

/** A pooling window, cut off where the picture ends. */
struct PoolWindow {
  int64_t top, bottom, left, right;

  PoolWindow(const cudnnPoolingStruct& pooling, const Tensor4& x, int64_t i, int64_t j) {
    top = i * pooling.stride_h - pooling.pad_h;
    left = j * pooling.stride_w - pooling.pad_w;
    bottom = std::min(top + pooling.window_h, x.dims[2]);
    right = std::min(left + pooling.window_w, x.dims[3]);
    top = std::max<int64_t>(top, 0);
    left = std::max<int64_t>(left, 0);
  }
};

bool IsMax(const cudnnPoolingStruct& pooling) {
  return pooling.mode == CUDNN_POOLING_MAX || pooling.mode == CUDNN_POOLING_MAX_DETERMINISTIC;
}

double Divisor(const cudnnPoolingStruct& pooling, const PoolWindow& window) {
  if (pooling.mode == CUDNN_POOLING_AVERAGE_COUNT_INCLUDE_PADDING) {
    return static_cast<double>(pooling.window_h * pooling.window_w);
  }
  return static_cast<double>((window.bottom - window.top) * (window.right - window.left));
}

double Pool(const cudnnPoolingStruct& pooling, const View& x, int64_t n, int64_t c, int64_t i, int64_t j) {
  const PoolWindow window(pooling, x.tensor, i, j);
  double result = IsMax(pooling) ? -std::numeric_limits<double>::infinity() : 0;
  for (int64_t h = window.top; h < window.bottom; ++h) {
    for (int64_t w = window.left; w < window.right; ++w) {
      const double value = x.At(n, c, h, w);
      result = IsMax(pooling) ? std::max(result, value) : result + value;
    }
  }
  return IsMax(pooling) ? result : result / Divisor(pooling, window);
}

/** The gradient of one picture's channel, scattered into `plane` [H, W]. */
void PoolGradient(const cudnnPoolingStruct& pooling, const View& x, const View& y, const View& dy, int64_t n,
                  int64_t c, std::vector<double>& plane) {
  const int64_t width = x.tensor.dims[3];
  for (int64_t i = 0; i < y.tensor.dims[2]; ++i) {
    for (int64_t j = 0; j < y.tensor.dims[3]; ++j) {
      const PoolWindow window(pooling, x.tensor, i, j);
      const double gradient = dy.At(n, c, i, j), share = gradient / Divisor(pooling, window);
      bool found = false;
      for (int64_t h = window.top; h < window.bottom && !found; ++h) {
        for (int64_t w = window.left; w < window.right && !found; ++w) {
          if (!IsMax(pooling))
            plane[static_cast<size_t>(h * width + w)] += share;
          else if (x.At(n, c, h, w) == y.At(n, c, i, j)) {
            plane[static_cast<size_t>(h * width + w)] += gradient;
            found = true;
          }
        }
      }
    }
  }
}

void CheckPooling(const cudnnPoolingStruct& pooling, const View& x, const View& y) {
  const auto extent = [](int64_t in, int64_t pad, int64_t window, int64_t stride) {
    return 1 + (in + 2 * pad - window) / stride;
  };
  const int64_t h = extent(x.tensor.dims[2], pooling.pad_h, pooling.window_h, pooling.stride_h);
  const int64_t w = extent(x.tensor.dims[3], pooling.pad_w, pooling.window_w, pooling.stride_w);
  if (y.tensor.dims[0] != x.tensor.dims[0] || y.tensor.dims[1] != x.tensor.dims[1] || y.tensor.dims[2] != h ||
      y.tensor.dims[3] != w) {
    throw CudnnError{CUDNN_STATUS_BAD_PARAM,
                     "pooling: the output should be " + std::to_string(h) + " x " + std::to_string(w)};
  }
}

double Activate(cudnnActivationMode_t mode, double x) {
  if (mode == CUDNN_ACTIVATION_SIGMOID) return 1 / (1 + std::exp(-x));
  if (mode == CUDNN_ACTIVATION_TANH) return std::tanh(x);
  return x < 0 ? 0 : x;
}

double ActivationSlope(cudnnActivationMode_t mode, double y) {
  if (mode == CUDNN_ACTIVATION_SIGMOID) return y * (1 - y);
  if (mode == CUDNN_ACTIVATION_TANH) return 1 - y * y;
  return y > 0 ? 1 : 0;
}

/** Softmax over channels at one pixel, or over a whole picture, in the order (c, h, w). */
template <typename Body>
void ForEachSoftmax(const View& y, cudnnSoftmaxMode_t mode, const Body& body) {
  const int64_t* dims = y.tensor.dims;
  const bool instance = mode == CUDNN_SOFTMAX_MODE_INSTANCE;
  for (int64_t n = 0; n < dims[0]; ++n) {
    for (int64_t pixel = 0; pixel < (instance ? 1 : dims[2] * dims[3]); ++pixel) {
      std::vector<std::array<int64_t, 3>> elements;
      for (int64_t c = 0; c < dims[1]; ++c) {
        if (!instance) elements.push_back({c, pixel / dims[3], pixel % dims[3]});
        for (int64_t h = 0; instance && h < dims[2]; ++h) {
          for (int64_t w = 0; w < dims[3]; ++w) elements.push_back({c, h, w});
        }
      }
      body(n, elements);
    }
  }
}

template <typename Object>
cudnnStatus_t Make(const char* call, const char* kind, Object** handle) {
  return CudnnCall(call, [&](Machine& machine) {
    *handle = new Object;
    machine.Adopt(*handle, kind);
  });
}

/** Works also when the context is lost: what was made can be given up. */
template <typename Object>
cudnnStatus_t Destroy(const char* call, const char* kind, Object* handle) {
  Machine& machine = Machine::Get();
  const std::lock_guard<std::recursive_mutex> lock(machine.mutex);
  if (!machine.Check(handle, kind, call)) return CUDNN_STATUS_BAD_PARAM;
  machine.Drop(handle);
  delete handle;
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace
}  // namespace simulation

using namespace simulation;  // NOLINT: the functions below are C's

extern "C" {

size_t CUDNNWINAPI cudnnGetVersion() {
  return CUDNN_VERSION;
}

size_t CUDNNWINAPI cudnnGetCudartVersion() {
  return CUDA_VERSION;
}

const char* CUDNNWINAPI cudnnGetErrorString(cudnnStatus_t status) {
  switch (status) {
    case CUDNN_STATUS_SUCCESS:
      return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_BAD_PARAM:
      return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED:
      return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED:
      return "CUDNN_STATUS_EXECUTION_FAILED";
    case CUDNN_STATUS_INTERNAL_ERROR:
      return "CUDNN_STATUS_INTERNAL_ERROR";
    default:
      return "CUDNN_STATUS_(of the simulation)";
  }
}

void CUDNNWINAPI cudnnGetLastErrorString(char* message, size_t room) {
  if (room == 0) return;
  std::strncpy(message, LastCudnnError().c_str(), room - 1);
  message[room - 1] = '\0';
  LastCudnnError().clear();
}

cudnnStatus_t CUDNNWINAPI cudnnCreate(cudnnHandle_t* handle) {
  return Make("cudnnCreate", "cuDNN handle", handle);
}

cudnnStatus_t CUDNNWINAPI cudnnDestroy(cudnnHandle_t handle) {
  return Destroy("cudnnDestroy", "cuDNN handle", handle);
}

cudnnStatus_t CUDNNWINAPI cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream) {
  return CudnnCall("cudnnSetStream", [&](Machine& machine) {
    Require(machine, handle, "cuDNN handle", "cudnnSetStream");
    Require(machine, stream, "stream", "cudnnSetStream");
    handle->stream = reinterpret_cast<CUstream>(stream);
  });
}

cudnnStatus_t CUDNNWINAPI cudnnGetStream(cudnnHandle_t handle, cudaStream_t* stream) {
  return CudnnCall("cudnnGetStream", [&](Machine& machine) {
    Require(machine, handle, "cuDNN handle", "cudnnGetStream");
    *stream = reinterpret_cast<cudaStream_t>(handle->stream);
  });
}

cudnnStatus_t CUDNNWINAPI cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t* descriptor) {
  return Make("cudnnCreateTensorDescriptor", kTensorKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t descriptor) {
  return Destroy("cudnnDestroyTensorDescriptor", kTensorKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnSetTensor4dDescriptorEx(cudnnTensorDescriptor_t descriptor,
                                                       cudnnDataType_t type, int n, int c, int h, int w,
                                                       int n_stride, int c_stride, int h_stride,
                                                       int w_stride) {
  return CudnnCall("cudnnSetTensor4dDescriptorEx", [&](Machine& machine) {
    Require(machine, descriptor, kTensorKind, "cudnnSetTensor4dDescriptorEx");
    if (std::min({n, c, h, w, n_stride, c_stride, h_stride, w_stride}) < 1) {
      throw CudnnError{CUDNN_STATUS_BAD_PARAM, "dimensions and strides must be positive"};
    }
    descriptor->tensor = {NumberOf(type), {n, c, h, w}, {n_stride, c_stride, h_stride, w_stride}};
    descriptor->set = true;
  });
}

cudnnStatus_t CUDNNWINAPI cudnnCreateLRNDescriptor(cudnnLRNDescriptor_t* descriptor) {
  return Make("cudnnCreateLRNDescriptor", kLrnKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnDestroyLRNDescriptor(cudnnLRNDescriptor_t descriptor) {
  return Destroy("cudnnDestroyLRNDescriptor", kLrnKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnSetLRNDescriptor(cudnnLRNDescriptor_t descriptor, unsigned size, double alpha,
                                                double beta, double k) {
  return CudnnCall("cudnnSetLRNDescriptor", [&](Machine& machine) {
    Require(machine, descriptor, kLrnKind, "cudnnSetLRNDescriptor");
    if (size < CUDNN_LRN_MIN_N || size > CUDNN_LRN_MAX_N || k < CUDNN_LRN_MIN_K ||
        beta < CUDNN_LRN_MIN_BETA) {
      throw CudnnError{CUDNN_STATUS_BAD_PARAM, "LRN: size, beta or k out of range"};
    }
    *descriptor = {size, alpha, beta, k};
  });
}

cudnnStatus_t CUDNNWINAPI cudnnLRNCrossChannelForward(cudnnHandle_t handle, cudnnLRNDescriptor_t descriptor,
                                                      cudnnLRNMode_t, const void* alpha,
                                                      const cudnnTensorDescriptor_t x_descriptor,
                                                      const void* x_data, const void* beta,
                                                      const cudnnTensorDescriptor_t y_descriptor,
                                                      void* y_data) {
  constexpr const char* kCall = "cudnnLRNCrossChannelForward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    Require(machine, descriptor, kLrnKind, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               y = ViewOf(machine, y_descriptor, y_data, kCall);
    RequireSameShape(x, y);
    if (x.tensor.type == Number::kBFloat16)
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "LRN has no bfloat16"};
    machine.Submit(stream, {kCall,
                            {AccessOf(x, false), AccessOf(y, true)},
                            [lrn = *descriptor, x, y, blend = Blend(alpha, beta)] {
                              ForEach(x.tensor, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
                                const double scale = std::pow(LrnScale(lrn, x, n, c, h, w), -lrn.beta);
                                blend.Store(y, n, c, h, w, x.At(n, c, h, w) * scale);
                              });
                            }});
  });
}

cudnnStatus_t CUDNNWINAPI cudnnLRNCrossChannelBackward(
    cudnnHandle_t handle, cudnnLRNDescriptor_t descriptor, cudnnLRNMode_t, const void* alpha,
    const cudnnTensorDescriptor_t y_descriptor, const void* y_data,
    const cudnnTensorDescriptor_t dy_descriptor, const void* dy_data,
    const cudnnTensorDescriptor_t x_descriptor, const void* x_data, const void* beta,
    const cudnnTensorDescriptor_t dx_descriptor, void* dx_data) {
  constexpr const char* kCall = "cudnnLRNCrossChannelBackward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    Require(machine, descriptor, kLrnKind, kCall);
    const View y = ViewOf(machine, y_descriptor, y_data, kCall),
               dy = ViewOf(machine, dy_descriptor, dy_data, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               dx = ViewOf(machine, dx_descriptor, dx_data, kCall);
    for (const View& view : {y, dy, dx}) RequireSameShape(x, view);
    if (x.tensor.type == Number::kBFloat16)
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "LRN has no bfloat16"};
    machine.Submit(stream, {kCall,
                            {AccessOf(y, false), AccessOf(dy, false), AccessOf(x, false), AccessOf(dx, true)},
                            [lrn = *descriptor, x, y, dy, dx, blend = Blend(alpha, beta)] {
                              ForEach(x.tensor, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
                                blend.Store(dx, n, c, h, w, LrnGradient(lrn, x, y, dy, n, c, h, w));
                              });
                            }});
  });
}

cudnnStatus_t CUDNNWINAPI cudnnCreatePoolingDescriptor(cudnnPoolingDescriptor_t* descriptor) {
  return Make("cudnnCreatePoolingDescriptor", kPoolingKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnDestroyPoolingDescriptor(cudnnPoolingDescriptor_t descriptor) {
  return Destroy("cudnnDestroyPoolingDescriptor", kPoolingKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnSetPooling2dDescriptor(cudnnPoolingDescriptor_t descriptor,
                                                      cudnnPoolingMode_t mode, cudnnNanPropagation_t,
                                                      int window_h, int window_w, int pad_h, int pad_w,
                                                      int stride_h, int stride_w) {
  return CudnnCall("cudnnSetPooling2dDescriptor", [&](Machine& machine) {
    Require(machine, descriptor, kPoolingKind, "cudnnSetPooling2dDescriptor");
    if (std::min({window_h, window_w, stride_h, stride_w}) < 1 || pad_h < 0 || pad_w < 0 ||
        pad_h >= window_h || pad_w >= window_w) {
      throw CudnnError{CUDNN_STATUS_BAD_PARAM,
                       "pooling: window and stride must be positive, padding smaller than the window"};
    }
    *descriptor = {mode, window_h, window_w, pad_h, pad_w, stride_h, stride_w};
  });
}

cudnnStatus_t CUDNNWINAPI cudnnPoolingForward(cudnnHandle_t handle, const cudnnPoolingDescriptor_t descriptor,
                                              const void* alpha, const cudnnTensorDescriptor_t x_descriptor,
                                              const void* x_data, const void* beta,
                                              const cudnnTensorDescriptor_t y_descriptor, void* y_data) {
  constexpr const char* kCall = "cudnnPoolingForward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    Require(machine, descriptor, kPoolingKind, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               y = ViewOf(machine, y_descriptor, y_data, kCall);
    CheckPooling(*descriptor, x, y);
    machine.Submit(stream, {kCall,
                            {AccessOf(x, false), AccessOf(y, true)},
                            [pooling = *descriptor, x, y, blend = Blend(alpha, beta)] {
                              ForEach(y.tensor, [&](int64_t n, int64_t c, int64_t i, int64_t j) {
                                blend.Store(y, n, c, i, j, Pool(pooling, x, n, c, i, j));
                              });
                            }});
  });
}

cudnnStatus_t CUDNNWINAPI cudnnPoolingBackward(cudnnHandle_t handle,
                                               const cudnnPoolingDescriptor_t descriptor, const void* alpha,
                                               const cudnnTensorDescriptor_t y_descriptor, const void* y_data,
                                               const cudnnTensorDescriptor_t dy_descriptor,
                                               const void* dy_data,
                                               const cudnnTensorDescriptor_t x_descriptor, const void* x_data,
                                               const void* beta, const cudnnTensorDescriptor_t dx_descriptor,
                                               void* dx_data) {
  constexpr const char* kCall = "cudnnPoolingBackward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    Require(machine, descriptor, kPoolingKind, kCall);
    const View y = ViewOf(machine, y_descriptor, y_data, kCall),
               dy = ViewOf(machine, dy_descriptor, dy_data, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               dx = ViewOf(machine, dx_descriptor, dx_data, kCall);
    RequireSameShape(y, dy);
    RequireSameShape(x, dx);
    CheckPooling(*descriptor, x, y);
    machine.Submit(stream, {kCall,
                            {AccessOf(y, false), AccessOf(dy, false), AccessOf(x, false), AccessOf(dx, true)},
                            [pooling = *descriptor, x, y, dy, dx, blend = Blend(alpha, beta)] {
                              const int64_t* dims = x.tensor.dims;
#pragma omp parallel for schedule(dynamic)
                              for (int64_t plane = 0; plane < dims[0] * dims[1]; ++plane) {
                                const int64_t n = plane / dims[1], c = plane % dims[1];
                                std::vector<double> sums(static_cast<size_t>(dims[2] * dims[3]), 0.0);
                                PoolGradient(pooling, x, y, dy, n, c, sums);
                                for (int64_t i = 0; i < dims[2] * dims[3]; ++i) {
                                  blend.Store(dx, n, c, i / dims[3], i % dims[3],
                                              sums[static_cast<size_t>(i)]);
                                }
                              }
                            }});
  });
}

cudnnStatus_t CUDNNWINAPI cudnnCreateActivationDescriptor(cudnnActivationDescriptor_t* descriptor) {
  return Make("cudnnCreateActivationDescriptor", kActivationKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnDestroyActivationDescriptor(cudnnActivationDescriptor_t descriptor) {
  return Destroy("cudnnDestroyActivationDescriptor", kActivationKind, descriptor);
}

cudnnStatus_t CUDNNWINAPI cudnnSetActivationDescriptor(cudnnActivationDescriptor_t descriptor,
                                                       cudnnActivationMode_t mode, cudnnNanPropagation_t,
                                                       double coefficient) {
  return CudnnCall("cudnnSetActivationDescriptor", [&](Machine& machine) {
    Require(machine, descriptor, kActivationKind, "cudnnSetActivationDescriptor");
    if (mode > CUDNN_ACTIVATION_TANH)
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "an activation that is not simulated"};
    *descriptor = {mode, coefficient};
  });
}

cudnnStatus_t CUDNNWINAPI cudnnActivationForward(cudnnHandle_t handle, cudnnActivationDescriptor_t descriptor,
                                                 const void* alpha,
                                                 const cudnnTensorDescriptor_t x_descriptor,
                                                 const void* x_data, const void* beta,
                                                 const cudnnTensorDescriptor_t y_descriptor, void* y_data) {
  constexpr const char* kCall = "cudnnActivationForward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    Require(machine, descriptor, kActivationKind, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               y = ViewOf(machine, y_descriptor, y_data, kCall);
    RequireSameShape(x, y);
    machine.Submit(stream, {kCall,
                            {AccessOf(x, false), AccessOf(y, true)},
                            [mode = descriptor->mode, x, y, blend = Blend(alpha, beta)] {
                              ForEach(x.tensor, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
                                blend.Store(y, n, c, h, w, Activate(mode, x.At(n, c, h, w)));
                              });
                            }});
  });
}

cudnnStatus_t CUDNNWINAPI
cudnnActivationBackward(cudnnHandle_t handle, cudnnActivationDescriptor_t descriptor, const void* alpha,
                        const cudnnTensorDescriptor_t y_descriptor, const void* y_data,
                        const cudnnTensorDescriptor_t dy_descriptor, const void* dy_data,
                        const cudnnTensorDescriptor_t x_descriptor, const void* x_data, const void* beta,
                        const cudnnTensorDescriptor_t dx_descriptor, void* dx_data) {
  constexpr const char* kCall = "cudnnActivationBackward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    Require(machine, descriptor, kActivationKind, kCall);
    const View y = ViewOf(machine, y_descriptor, y_data, kCall),
               dy = ViewOf(machine, dy_descriptor, dy_data, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               dx = ViewOf(machine, dx_descriptor, dx_data, kCall);
    for (const View& view : {y, dy, dx}) RequireSameShape(x, view);
    machine.Submit(stream, {kCall,
                            {AccessOf(y, false), AccessOf(dy, false), AccessOf(x, false), AccessOf(dx, true)},
                            [mode = descriptor->mode, y, dy, dx, blend = Blend(alpha, beta)] {
                              ForEach(y.tensor, [&](int64_t n, int64_t c, int64_t h, int64_t w) {
                                const double slope = ActivationSlope(mode, y.At(n, c, h, w));
                                blend.Store(dx, n, c, h, w, slope == 0 ? 0 : slope * dy.At(n, c, h, w));
                              });
                            }});
  });
}

cudnnStatus_t CUDNNWINAPI cudnnSoftmaxForward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm,
                                              cudnnSoftmaxMode_t mode, const void* alpha,
                                              const cudnnTensorDescriptor_t x_descriptor, const void* x_data,
                                              const void* beta, const cudnnTensorDescriptor_t y_descriptor,
                                              void* y_data) {
  constexpr const char* kCall = "cudnnSoftmaxForward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    const View x = ViewOf(machine, x_descriptor, x_data, kCall),
               y = ViewOf(machine, y_descriptor, y_data, kCall);
    RequireSameShape(x, y);
    if (algorithm != CUDNN_SOFTMAX_ACCURATE)
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "only the accurate softmax is simulated"};
    machine.Submit(stream,
                   {kCall, {AccessOf(x, false), AccessOf(y, true)}, [mode, x, y, blend = Blend(alpha, beta)] {
                      ForEachSoftmax(y, mode, [&](int64_t n, const auto& elements) {
                        double largest = -std::numeric_limits<double>::infinity(), sum = 0;
                        for (const auto& [c, h, w] : elements) largest = std::max(largest, x.At(n, c, h, w));
                        for (const auto& [c, h, w] : elements) sum += std::exp(x.At(n, c, h, w) - largest);
                        for (const auto& [c, h, w] : elements) {
                          blend.Store(y, n, c, h, w, std::exp(x.At(n, c, h, w) - largest) / sum);
                        }
                      });
                    }});
  });
}

cudnnStatus_t CUDNNWINAPI cudnnSoftmaxBackward(cudnnHandle_t handle, cudnnSoftmaxAlgorithm_t algorithm,
                                               cudnnSoftmaxMode_t mode, const void* alpha,
                                               const cudnnTensorDescriptor_t y_descriptor, const void* y_data,
                                               const cudnnTensorDescriptor_t dy_descriptor,
                                               const void* dy_data, const void* beta,
                                               const cudnnTensorDescriptor_t dx_descriptor, void* dx_data) {
  constexpr const char* kCall = "cudnnSoftmaxBackward";
  return CudnnCall(kCall, [&](Machine& machine) {
    const CUstream stream = StreamOfHandle(machine, handle, kCall);
    const View y = ViewOf(machine, y_descriptor, y_data, kCall),
               dy = ViewOf(machine, dy_descriptor, dy_data, kCall);
    const View dx = ViewOf(machine, dx_descriptor, dx_data, kCall);
    for (const View& view : {dy, dx}) RequireSameShape(y, view);
    if (algorithm != CUDNN_SOFTMAX_ACCURATE)
      throw CudnnError{CUDNN_STATUS_NOT_SUPPORTED, "only the accurate softmax is simulated"};
    machine.Submit(stream, {kCall,
                            {AccessOf(y, false), AccessOf(dy, false), AccessOf(dx, true)},
                            [mode, y, dy, dx, blend = Blend(alpha, beta)] {
                              ForEachSoftmax(y, mode, [&](int64_t n, const auto& elements) {
                                double mean = 0;
                                for (const auto& [c, h, w] : elements)
                                  mean += y.At(n, c, h, w) * dy.At(n, c, h, w);
                                for (const auto& [c, h, w] : elements) {
                                  blend.Store(dx, n, c, h, w, y.At(n, c, h, w) * (dy.At(n, c, h, w) - mean));
                                }
                              });
                            }});
  });
}

}  // extern "C"
