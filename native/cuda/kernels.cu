// Kernels for what cuDNN and cuBLAS do not do, or not as the CPU does it.
// Invariant: no atomics, so that every result is the same each time; any grid is right, since threads stride;
// a block is of one dimension and of at most kMaxThreads threads.
#include "core/augment_record.h"
#include "core/philox.h"
#include "cuda/kernel_arguments.h"

namespace alexnet::cuda {

constexpr int kMaxThreads = 256;
constexpr int kTile = 32;

#ifdef __CUDACC_RTC__
#define ALEXNET_NO_UNROLL _Pragma("unroll 1")  // copies of a body make the image larger, and nothing faster
#else
#define ALEXNET_NO_UNROLL
#endif

/** For kernels that only walk; where an element's place is taken apart, indices have 32 bits: division is
 * slow. */
#define ALEXNET_EACH(i, count)                                                                    \
  ALEXNET_NO_UNROLL for (int64_t i = static_cast<int64_t>(blockIdx.x) * blockDim.x + threadIdx.x; \
                         i < (count); i += static_cast<int64_t>(gridDim.x) * blockDim.x)
#define ALEXNET_EACH_INDEX(i, count)                                         \
  ALEXNET_NO_UNROLL for (uint32_t i = blockIdx.x * blockDim.x + threadIdx.x; \
                         i < static_cast<uint32_t>(count); i += gridDim.x * blockDim.x)

// ---- 16-bit types: arithmetic is in float32

struct F16 {
  uint16_t bits;
};
struct BF16 {
  uint16_t bits;
};

union FloatBits {
  float value;
  uint32_t bits;
};

__device__ inline float FromBits(uint32_t bits) {
  FloatBits both;
  both.bits = bits;
  return both.value;
}
__device__ inline uint32_t ToBits(float value) {
  FloatBits both;
  both.value = value;
  return both.bits;
}

__device__ inline float Get(float x) {
  return x;
}
__device__ inline float Get(BF16 x) {
  return FromBits(static_cast<uint32_t>(x.bits) << 16);
}
__device__ inline void Put(float& y, float value) {
  y = value;
}
__device__ inline void Put(BF16& y, float value) {
  const uint32_t bits = ToBits(value);
  y.bits = static_cast<uint16_t>(value != value ? (bits >> 16) | 0x40u
                                                : (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

#ifdef __CUDACC_RTC__
__device__ inline float Get(F16 x) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(x.bits));
  return value;
}
__device__ inline void Put(F16& y, float value) {
  asm("cvt.rn.f16.f32 %0, %1;" : "=h"(y.bits) : "f"(value));
}
#else
__device__ inline float Get(F16 x) {
  const uint32_t sign = (x.bits & 0x8000u) << 16, exponent = (x.bits >> 10) & 0x1Fu,
                 mantissa = x.bits & 0x3FFu;
  if (exponent == 0x1Fu) return FromBits(sign | 0x7F800000u | (mantissa << 13));
  if (exponent != 0) return FromBits(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float magnitude = static_cast<float>(mantissa) * 5.9604644775390625e-08f;  // 2^-24
  return sign != 0 ? -magnitude : magnitude;
}
__device__ inline void Put(F16& y, float value) {
  const uint32_t bits = ToBits(value), sign = (bits >> 16) & 0x8000u;
  const float magnitude = FromBits(bits & 0x7FFFFFFFu);
  if (value != value) {
    y.bits = static_cast<uint16_t>(sign | 0x7FFFu);
  } else if (magnitude >= 65520.f) {
    y.bits = static_cast<uint16_t>(sign | 0x7C00u);
  } else if (magnitude < 6.103515625e-05f) {  // 2^-14: adding 2^-1 leaves multiples of 2^-24 in the mantissa
    y.bits = static_cast<uint16_t>(sign | (ToBits(magnitude + 0.5f) - ToBits(0.5f)));
  } else {
    const uint32_t rebiased = (bits & 0x7FFFFFFFu) - (112u << 23);
    y.bits = static_cast<uint16_t>(sign | ((rebiased + 0xFFFu + ((rebiased >> 13) & 1u)) >> 13));
  }
}
#endif

// ---- reductions over a block

/** What every thread passes, combined in an order that depends on the number of threads alone. */
template <typename Value, typename Combine>
__device__ inline Value BlockReduce(Value value, Value* shared, Combine combine) {
  const int thread = static_cast<int>(threadIdx.x), threads = static_cast<int>(blockDim.x);
  shared[thread] = value;
  __syncthreads();
  for (int half = kMaxThreads / 2; half > 0; half /= 2) {
    if (half >= threads) continue;
    if (thread < half && thread + half < threads)
      shared[thread] = combine(shared[thread], shared[thread + half]);
    __syncthreads();
  }
  const Value result = shared[0];
  __syncthreads();
  return result;
}

struct Plus {
  template <typename Value>
  __device__ Value operator()(Value a, Value b) const {
    return a + b;
  }
};
struct Larger {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

// ---- fill, random numbers, conversions

template <typename Word>
__device__ inline void Fill(Word* y, int64_t count, Word value) {
  ALEXNET_EACH(i, count) y[i] = value;
}

extern "C" __global__ void fill_8(uint8_t* y, int64_t count, uint8_t value) {
  Fill(y, count, value);
}
extern "C" __global__ void fill_16(uint16_t* y, int64_t count, uint16_t value) {
  Fill(y, count, value);
}
extern "C" __global__ void fill_32(uint32_t* y, int64_t count, uint32_t value) {
  Fill(y, count, value);
}

__device__ inline double Unit(uint32_t word) {
  return (word + 0.5) * (1.0 / 4294967296.0);
}

// Box-Muller: words (a, b) of a block give its elements 2j and 2j + 1.
extern "C" __global__ void gaussian(float* y, int64_t count, double mean, double std, RandomStream random) {
  ALEXNET_EACH(block, (count + 3) / 4) {
    const PhiloxBlock words = Philox(static_cast<uint64_t>(block), random);
    for (int j = 0; j < 4; j += 2) {
      const double radius = std * sqrt(-2 * log(Unit(words[j])));
      const double angle = 6.283185307179586476925286766559 * Unit(words[j + 1]);
      const int64_t i = 4 * block + j;
      if (i < count) y[i] = static_cast<float>(mean + radius * cos(angle));
      if (i + 1 < count) y[i + 1] = static_cast<float>(mean + radius * sin(angle));
    }
  }
}

extern "C" __global__ void uniform(float* y, int64_t count, double low, double high, RandomStream random) {
  ALEXNET_EACH(block, (count + 3) / 4) {
    const PhiloxBlock words = Philox(static_cast<uint64_t>(block), random);
    for (int j = 0; j < 4; ++j) {
      if (4 * block + j < count) y[4 * block + j] = static_cast<float>(low + (high - low) * Unit(words[j]));
    }
  }
}

// The numbers of core/tensor.h's DType.
enum Type { kFloat32, kBFloat16, kFloat16, kInt32, kUint8, kInt8 };

__device__ inline float Load(const void* x, int type, int64_t i) {
  switch (type) {
    case kFloat32:
      return static_cast<const float*>(x)[i];
    case kBFloat16:
      return Get(static_cast<const BF16*>(x)[i]);
    case kFloat16:
      return Get(static_cast<const F16*>(x)[i]);
    case kInt32:
      return static_cast<float>(static_cast<const int32_t*>(x)[i]);
    case kInt8:
      return static_cast<float>(static_cast<const int8_t*>(x)[i]);
    default:
      return static_cast<float>(static_cast<const uint8_t*>(x)[i]);
  }
}

__device__ inline int32_t ToInt32(float value) {
  if (value != value) return 0;
  if (value >= 2147483648.f) return 2147483647;
  if (value <= -2147483648.f) return -2147483647 - 1;
  return static_cast<int32_t>(rintf(value));
}

__device__ inline uint8_t ToUint8(float value) {
  if (!(value > 0.f)) return 0;
  return value >= 255.f ? 255 : static_cast<uint8_t>(rintf(value));
}

__device__ inline int8_t ToInt8(float value) {
  if (value != value) return 0;
  return static_cast<int8_t>(rintf(fminf(fmaxf(value, -128.f), 127.f)));
}

__device__ inline void Store(void* y, int type, int64_t i, float value) {
  switch (type) {
    case kFloat32:
      static_cast<float*>(y)[i] = value;
      return;
    case kBFloat16:
      return Put(static_cast<BF16*>(y)[i], value);
    case kFloat16:
      return Put(static_cast<F16*>(y)[i], value);
    case kInt32:
      static_cast<int32_t*>(y)[i] = ToInt32(value);
      return;
    case kInt8:
      static_cast<int8_t*>(y)[i] = ToInt8(value);
      return;
    default:
      static_cast<uint8_t*>(y)[i] = ToUint8(value);
  }
}

// Through float32, as on the CPU.
extern "C" __global__ void cast(const void* x, int32_t from, void* y, int32_t to, int64_t count) {
  ALEXNET_EACH(i, count) Store(y, to, i, Load(x, from, i));
}

// y[b][c][r] = x[b][r][c], a tile at a time, so that both sides are read and written along rows.
template <typename Word>
__device__ inline void Transpose(const Word* x, Word* y, int32_t batches, int32_t rows, int32_t columns,
                                 Word (*tile)[kTile + 1]) {
  const int32_t down = (rows + kTile - 1) / kTile, across = (columns + kTile - 1) / kTile;
  const int column = static_cast<int>(threadIdx.x) % kTile, step = static_cast<int>(blockDim.x) / kTile;
  for (int32_t t = blockIdx.x; t < batches * down * across; t += gridDim.x) {
    const int32_t first = t / (down * across) * rows * columns;
    const int32_t row0 = t / across % down * kTile, column0 = t % across * kTile;
    ALEXNET_NO_UNROLL for (int i = static_cast<int>(threadIdx.x) / kTile; i < kTile; i += step) {
      if (row0 + i < rows && column0 + column < columns)
        tile[i][column] = x[first + (row0 + i) * columns + column0 + column];
    }
    __syncthreads();
    ALEXNET_NO_UNROLL for (int i = static_cast<int>(threadIdx.x) / kTile; i < kTile; i += step) {
      if (column0 + i < columns && row0 + column < rows)
        y[first + (column0 + i) * rows + row0 + column] = tile[column][i];
    }
    __syncthreads();
  }
}

extern "C" __global__ void transpose_8(const uint8_t* x, uint8_t* y, int32_t batches, int32_t rows,
                                       int32_t columns) {
  __shared__ uint8_t tile[kTile][kTile + 1];
  Transpose(x, y, batches, rows, columns, tile);
}
extern "C" __global__ void transpose_16(const uint16_t* x, uint16_t* y, int32_t batches, int32_t rows,
                                        int32_t columns) {
  __shared__ uint16_t tile[kTile][kTile + 1];
  Transpose(x, y, batches, rows, columns, tile);
}
extern "C" __global__ void transpose_32(const uint32_t* x, uint32_t* y, int32_t batches, int32_t rows,
                                        int32_t columns) {
  __shared__ uint32_t tile[kTile][kTile + 1];
  Transpose(x, y, batches, rows, columns, tile);
}

/** Zero where y has no pixel of x. */
template <typename Word>
__device__ inline void Place(const Word* x, Word* y, const PlaceGeometry& place) {
  ALEXNET_EACH_INDEX(i, place.images * place.out_height * place.out_width * place.channels) {
    const int32_t channel = i % place.channels, pixel = i / place.channels;
    const int32_t row = pixel / place.out_width % place.out_height - place.top;
    const int32_t column = pixel % place.out_width - place.left;
    const int32_t image = pixel / place.out_width / place.out_height;
    const bool inside = row >= 0 && row < place.height && column >= 0 && column < place.width;
    y[i] = inside ? x[((image * place.height + row) * place.width + column) * place.channels + channel] : 0;
  }
}

extern "C" __global__ void place_16(const uint16_t* x, uint16_t* y, PlaceGeometry place) {
  Place(x, y, place);
}
extern "C" __global__ void place_32(const uint32_t* x, uint32_t* y, PlaceGeometry place) {
  Place(x, y, place);
}

// ---- second passes of sums

/** y = scale * the sum of partials, by one block. */
extern "C" __global__ void finish_sum(const double* partials, float* y, int64_t count, double scale) {
  __shared__ double shared[kMaxThreads];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += blockDim.x) sum += partials[i];
  const double total = BlockReduce(sum, shared, Plus());
  if (threadIdx.x == 0) *y = static_cast<float>(scale * total);
}

/** y[c] = the sum over chunks of partials[chunk][c]. */
extern "C" __global__ void finish_columns(const float* partials, float* y, int64_t chunks, int64_t columns) {
  ALEXNET_EACH(c, columns) {
    float sum = 0;
    for (int64_t i = 0; i < chunks; ++i) sum += partials[i * columns + c];
    y[c] = sum;
  }
}

// ---- stochastic gradient descent

/** Neither infinite nor NaN. */
__device__ inline bool IsFinite(float value) {
  return value - value == 0.f;
}

__device__ inline void Update(const SgdEntry& entry, float scale, int64_t i) {
  const float gradient = entry.weight_decay * entry.w[i] + scale * entry.dw[i];
  float w, v;
  if (entry.torch_form) {
    v = entry.momentum * entry.v[i] + gradient;
    w = entry.w[i] - entry.learning_rate * v;
  } else {
    v = entry.momentum * entry.v[i] - entry.learning_rate * gradient;
    w = entry.w[i] + v;
  }
  entry.v[i] = v;
  entry.w[i] = w;
  if (entry.low == nullptr) return;
  if (entry.low_is_bfloat16) {
    Put(reinterpret_cast<BF16*>(entry.low)[i], w);
  } else {
    Put(reinterpret_cast<F16*>(entry.low)[i], w);
  }
}

/** Block (x, e) updates its share of entry e. */
extern "C" __global__ void sgd(SgdBatch batch) {
  const SgdEntry& entry = batch.entries[blockIdx.y];
  const float scale = entry.scale != nullptr ? *entry.scale : 1.f;
  if (!IsFinite(scale)) return;
  ALEXNET_EACH(i, entry.elements) Update(entry, scale, i);
}

/** The factor of this step's gradients, and the scale of the next one's loss. By one thread. */
extern "C" __global__ void update_loss_scale(float* scale, float* factor, float* counts, const float* squares,
                                             float growth_factor, float backoff_factor,
                                             float growth_interval) {
  const bool finite = IsFinite(*squares);
  *factor = finite ? 1 / *scale : FromBits(0x7FC00000u);
  counts[0] += 1;
  if (finite && counts[0] < growth_interval) return;
  *scale *= finite ? growth_factor : backoff_factor;
  counts[0] = 0;
  counts[1] += finite ? 0 : 1;
}

/** e += weight * (x - e) */
extern "C" __global__ void average(float* e, const float* x, int64_t count, float weight) {
  ALEXNET_EACH(i, count) e[i] += weight * (x[i] - e[i]);
}

/** min(1, max_norm / sqrt(squares)); 1 for a NaN. By one thread. */
extern "C" __global__ void clip_scale(const float* squares, float* scale, double max_norm) {
  const double norm = sqrt(static_cast<double>(*squares));
  *scale = norm > max_norm ? static_cast<float>(max_norm / norm) : 1.f;
}

// ---- shared by the typed kernels

/** s^-beta; beta .75 without pow. */
__device__ inline float NegativePower(float s, float beta) {
  if (beta != 0.75f) return powf(s, -beta);
  const float root = sqrtf(s);
  return 1.f / (root * sqrtf(root));
}

__device__ inline int32_t AtLeast(int32_t low, int32_t value) {
  return value < low ? low : value;
}
__device__ inline int32_t AtMost(int32_t high, int32_t value) {
  return value > high ? high : value;
}

/** Of output pixel i of an axis: which input pixels it sees, by a triangle of support max(1, input / output).
 */
struct ResampleWindow {
  double centre, inverse, total;
  int32_t first, end;

  __device__ ResampleWindow(int32_t i, int32_t input, int32_t output) {
    const double scale = static_cast<double>(input) / static_cast<double>(output);
    const double support = scale > 1 ? scale : 1;
    centre = scale * (static_cast<double>(i) + 0.5);
    inverse = 1 / support;
    first = AtLeast(0, static_cast<int32_t>(floor(centre - support + 0.5)));
    end = AtMost(input, static_cast<int32_t>(floor(centre + support + 0.5)));
    total = 0;
    ALEXNET_NO_UNROLL for (int32_t pixel = first; pixel < end; ++pixel) total += Triangle(pixel);
  }
  __device__ double Triangle(int32_t pixel) const {
    const double height = 1 - fabs((static_cast<double>(pixel) + 0.5 - centre) * inverse);
    return height > 0 ? height : 0;
  }
  __device__ float Weight(int32_t pixel) const { return static_cast<float>(Triangle(pixel) / total); }
};

/** A rectangle of a picture or of its mean, interleaved, [.., stride values a row]. */
template <typename Value>
struct Rectangle {
  const Value* first;
  int32_t stride;

  __device__ void Pixel(int32_t row, int32_t column, float* sample) const {
    for (int c = 0; c < 3; ++c) sample[c] = static_cast<float>(first[row * stride + column * 3 + c]);
  }
  __device__ void Resample(const ResampleWindow& rows, const ResampleWindow& columns, float* sample) const {
    for (int c = 0; c < 3; ++c) sample[c] = 0;
    ALEXNET_NO_UNROLL for (int32_t row = rows.first; row < rows.end; ++row) {
      float narrow[3] = {0, 0, 0};
      ALEXNET_NO_UNROLL for (int32_t column = columns.first; column < columns.end; ++column) {
        const float weight = columns.Weight(column);
        for (int c = 0; c < 3; ++c) {
          narrow[c] += weight * static_cast<float>(first[row * stride + column * 3 + c]);
        }
      }
      const float weight = rows.Weight(row);
      for (int c = 0; c < 3; ++c) sample[c] += weight * narrow[c];
    }
  }
};

__device__ inline void MixColours(const AugmentRecord& record, float* sample) {
  const float red = sample[0], green = sample[1], blue = sample[2];
  for (int c = 0; c < 3; ++c) {
    sample[c] =
        record.colour[3 * c] * red + record.colour[3 * c + 1] * green + record.colour[3 * c + 2] * blue;
  }
}

/** The sample of one output pixel: changed colours, less the mean. */
__device__ inline void Sample(const uint8_t* picture, int32_t width, const AugmentRecord& record,
                              const float* mean, const AugmentArguments& arguments, int32_t row,
                              int32_t column, float* sample) {
  const int32_t stride = width * 3;
  const int32_t first = static_cast<int32_t>(record.top) * stride + static_cast<int32_t>(record.left) * 3;
  const Rectangle<uint8_t> pixels = {picture + first, stride};
  const Rectangle<float> means = {mean + (arguments.mean_image ? first : 0), stride};
  const auto height = static_cast<int32_t>(record.height), across = static_cast<int32_t>(record.width);
  float subtract[3] = {mean[0], mean[1], mean[2]};
  if (height == arguments.crop && across == arguments.crop) {
    pixels.Pixel(row, column, sample);
    if (arguments.mean_image) means.Pixel(row, column, subtract);
  } else {
    const ResampleWindow rows(row, height, arguments.crop), columns(column, across, arguments.crop);
    pixels.Resample(rows, columns, sample);
    if (arguments.mean_image) means.Resample(rows, columns, subtract);
  }
  if (!record.ColourIsIdentity()) MixColours(record, sample);
  for (int c = 0; c < 3; ++c) sample[c] -= subtract[c];
}

__device__ inline bool IsErased(const AugmentRecord& record, int32_t row, int32_t column) {
  const auto top = static_cast<int32_t>(record.erase_top), left = static_cast<int32_t>(record.erase_left);
  return row >= top && row < top + static_cast<int32_t>(record.erase_height) && column >= left &&
         column < left + static_cast<int32_t>(record.erase_width);
}

/** Whether a maximum gives way; to NaN it does, and NaN to nothing. */
__device__ inline bool Exceeds(float value, float maximum) {
  return value > maximum || (value != value && maximum == maximum);
}

/** The pixels of output element i's window that are in the picture. */
struct PoolWindow {
  int32_t image, channel, top, bottom, left, right;

  __device__ PoolWindow(uint32_t i, const PoolGeometry& pool) {
    channel = i % pool.channels;
    const int32_t pixel = i / pool.channels, column = pixel % pool.out_width;
    const int32_t row = pixel / pool.out_width % pool.out_height;
    image = pixel / pool.out_width / pool.out_height;
    top = AtLeast(0, row * pool.stride_h - pool.pad_top);
    bottom = AtMost(pool.height, row * pool.stride_h - pool.pad_top + pool.kernel_h);
    left = AtLeast(0, column * pool.stride_w - pool.pad_left);
    right = AtMost(pool.width, column * pool.stride_w - pool.pad_left + pool.kernel_w);
  }
  __device__ float Divisor(const PoolGeometry& pool) const {
    const int32_t pixels = pool.clipped ? (bottom - top) * (right - left) : pool.kernel_h * pool.kernel_w;
    return static_cast<float>(pixels);
  }
};

/** The windows that input element i is in. */
struct PoolReach {
  int32_t image, channel, pixel, top, bottom, left, right;

  __device__ PoolReach(uint32_t i, const PoolGeometry& pool) {
    channel = i % pool.channels;
    pixel = i / pool.channels % (pool.height * pool.width);
    image = i / pool.channels / (pool.height * pool.width);
    const int32_t row = pixel / pool.width + pool.pad_top, column = pixel % pool.width + pool.pad_left;
    top = First(row, pool.kernel_h, pool.stride_h);
    bottom = AtMost(pool.out_height, row / pool.stride_h + 1);
    left = First(column, pool.kernel_w, pool.stride_w);
    right = AtMost(pool.out_width, column / pool.stride_w + 1);
  }
  /** The first window that ends behind `position`. */
  __device__ static int32_t First(int32_t position, int32_t kernel, int32_t stride) {
    return position < kernel ? 0 : (position - kernel) / stride + 1;
  }
  __device__ int32_t Output(int32_t row, int32_t column, const PoolGeometry& pool) const {
    return ((image * pool.out_height + row) * pool.out_width + column) * pool.channels + channel;
  }
};

/** A class and its score. */
struct Ranked {
  float value;
  int32_t index;
};

/** The larger score first, of equal ones the lower index. */
__device__ inline bool Before(const Ranked& a, const Ranked& b) {
  return a.value > b.value || (a.value == b.value && a.index < b.index);
}

struct First {
  __device__ Ranked operator()(const Ranked& a, const Ranked& b) const { return Before(b, a) ? b : a; }
};

// ---- in float32 alone: sums, a partial one a block, which finish_sum adds

extern "C" __global__ void sum(const float* x, double* partials, int64_t count) {
  __shared__ double shared[kMaxThreads];
  double sum = 0;
  ALEXNET_EACH(i, count) sum += x[i];
  const double total = BlockReduce(sum, shared, Plus());
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

extern "C" __global__ void sum_squares(const float* x, double* partials, int64_t count) {
  __shared__ double shared[kMaxThreads];
  double sum = 0;
  ALEXNET_EACH(i, count) sum += static_cast<double>(x[i]) * x[i];
  const double total = BlockReduce(sum, shared, Plus());
  if (threadIdx.x == 0) partials[blockIdx.x] = total;
}

// ---- local response normalisation within a channel, on planes

/** s = k + alpha * the sum of squares in the window around pixel p of a plane. */
__device__ inline float DenominatorWithin(const float* plane, int32_t p, const LrnWithinArguments& lrn) {
  const int32_t half = (lrn.size - 1) / 2, row = p / lrn.width, column = p % lrn.width;
  float sum = 0;
  ALEXNET_NO_UNROLL for (int32_t h = AtLeast(0, row - half); h < AtMost(lrn.height, row + half + 1); ++h) {
    ALEXNET_NO_UNROLL for (int32_t w = AtLeast(0, column - half); w < AtMost(lrn.width, column + half + 1);
                           ++w) {
      const float value = plane[h * lrn.width + w];
      sum += value * value;
    }
  }
  return lrn.k + lrn.alpha * sum;
}

extern "C" __global__ void lrn_within_forward(const float* x, float* y, LrnWithinArguments lrn) {
  const int32_t pixels = lrn.height * lrn.width;
  ALEXNET_EACH_INDEX(i, lrn.planes * pixels) {
    const int32_t p = i % pixels;
    y[i] = x[i] * powf(DenominatorWithin(x + (i - p), p, lrn), -lrn.beta);
  }
}

/** What the backward pass sums, and its other factor: ratios = dy x s^(-beta-1), powers = s^-beta. */
extern "C" __global__ void lrn_within_ratios(const float* x, const float* dy, float* ratios, float* powers,
                                             LrnWithinArguments lrn) {
  const int32_t pixels = lrn.height * lrn.width;
  ALEXNET_EACH_INDEX(i, lrn.planes * pixels) {
    const int32_t p = i % pixels;
    const float s = DenominatorWithin(x + (i - p), p, lrn);
    powers[i] = powf(s, -lrn.beta);
    ratios[i] = dy[i] * x[i] * powers[i] / s;
  }
}

extern "C" __global__ void lrn_within_backward(const float* x, const float* dy, const float* ratios,
                                               const float* powers, float* dx, LrnWithinArguments lrn) {
  const int32_t pixels = lrn.height * lrn.width, half = (lrn.size - 1) / 2;
  ALEXNET_EACH_INDEX(i, lrn.planes * pixels) {
    const int32_t p = i % pixels, row = p / lrn.width, column = p % lrn.width;
    float sum = 0;
    ALEXNET_NO_UNROLL for (int32_t h = AtLeast(0, row - half); h < AtMost(lrn.height, row + half + 1); ++h) {
      ALEXNET_NO_UNROLL for (int32_t w = AtLeast(0, column - half); w < AtMost(lrn.width, column + half + 1);
                             ++w) sum += ratios[i - p + h * lrn.width + w];
    }
    dx[i] = dy[i] * powers[i] - 2.f * lrn.alpha * lrn.beta * x[i] * sum;
  }
}

// ---- average pooling

extern "C" __global__ void avg_pool_forward(const float* x, float* y, PoolGeometry pool) {
  ALEXNET_EACH_INDEX(i, pool.images * pool.out_height * pool.out_width * pool.channels) {
    const PoolWindow window(i, pool);
    const float* const picture = x + window.image * pool.height * pool.width * pool.channels;
    float sum = 0;
    ALEXNET_NO_UNROLL for (int32_t h = window.top; h < window.bottom; ++h) {
      ALEXNET_NO_UNROLL for (int32_t w = window.left; w < window.right; ++w) sum +=
          picture[(h * pool.width + w) * pool.channels + window.channel];
    }
    y[i] = sum / window.Divisor(pool);
  }
}

extern "C" __global__ void avg_pool_backward(const float* dy, float* dx, PoolGeometry pool) {
  ALEXNET_EACH_INDEX(i, pool.images * pool.height * pool.width * pool.channels) {
    const PoolReach reach(i, pool);
    float sum = 0;
    ALEXNET_NO_UNROLL for (int32_t h = reach.top; h < reach.bottom; ++h) {
      ALEXNET_NO_UNROLL for (int32_t w = reach.left; w < reach.right; ++w) {
        const int32_t at = reach.Output(h, w, pool);
        sum += dy[at] / PoolWindow(at, pool).Divisor(pool);
      }
    }
    dx[i] = sum;
  }
}

// ---- loss and accuracy: a block a row

/**
 * Softmax of logits, and what the row adds to the loss: log(sum(exp(x))) less the sum of target * x, where
 * the target is 1 - smoothing for the label and smoothing / width for each class. NaN in, NaN out.
 */
extern "C" __global__ void cross_entropy_forward(const float* logits, const int32_t* labels,
                                                 float* probabilities, double* losses, int32_t rows,
                                                 int32_t width, double smoothing) {
  __shared__ float maxima[kMaxThreads];
  __shared__ double sums[kMaxThreads];
  ALEXNET_NO_UNROLL for (int32_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* const x = logits + row * width;
    float* const y = probabilities + row * width;
    float largest = -INFINITY;
    ALEXNET_NO_UNROLL for (int32_t c = threadIdx.x; c < width; c += blockDim.x) largest =
        fmaxf(largest, x[c]);
    const float maximum = BlockReduce(largest, maxima, Larger());
    double exponentials = 0, scores = 0;
    ALEXNET_NO_UNROLL for (int32_t c = threadIdx.x; c < width; c += blockDim.x) {
      y[c] = expf(x[c] - maximum);
      exponentials += y[c];
      scores += x[c];
    }
    const double sum = BlockReduce(exponentials, sums, Plus());
    const auto scale = static_cast<float>(1 / sum);
    ALEXNET_NO_UNROLL for (int32_t c = threadIdx.x; c < width; c += blockDim.x) y[c] *= scale;
    double target = x[labels[row]];
    if (smoothing != 0)
      target = (1 - smoothing) * target + smoothing * BlockReduce(scores, sums, Plus()) / width;
    if (threadIdx.x == 0) losses[row] = log(sum) + maximum - target;
  }
}

/** dlogits = probabilities * scale - share, less `hit` for the label. */
extern "C" __global__ void cross_entropy_backward(const float* probabilities, const int32_t* labels,
                                                  float* dlogits, int32_t rows, int32_t width, float scale,
                                                  float share, float hit) {
  ALEXNET_EACH_INDEX(i, rows * width) {
    const float value = probabilities[i] * scale - share;
    dlogits[i] = static_cast<int32_t>(i % width) == labels[i / width] ? value - hit : value;
  }
}

/** How many classes come before the true one, ties by index; a row with a NaN has no order: `width`. */
extern "C" __global__ void label_rank(const float* logits, const int32_t* labels, int32_t* ranks,
                                      int32_t rows, int32_t width) {
  __shared__ int32_t shared[kMaxThreads];
  ALEXNET_NO_UNROLL for (int32_t row = blockIdx.x; row < rows; row += gridDim.x) {
    const float* const x = logits + row * width;
    const float own = x[labels[row]];
    int32_t before = 0, unordered = 0;
    ALEXNET_NO_UNROLL for (int32_t c = threadIdx.x; c < width; c += blockDim.x) {
      const float value = x[c];
      before += value > own || (value == own && c < labels[row]);
      unordered += value != value;
    }
    const int32_t rank = BlockReduce(before, shared, Plus());
    const int32_t nans = BlockReduce(unordered, shared, Plus());
    if (threadIdx.x == 0) ranks[row] = nans == 0 ? rank : static_cast<int32_t>(width);
  }
}

/** The k largest of each row, in order, ties by index; NaN counts as the smallest. */
extern "C" __global__ void top_k(const float* x, float* values, int32_t* indices, int32_t rows, int32_t width,
                                 int32_t k) {
  __shared__ Ranked shared[kMaxThreads];
  ALEXNET_NO_UNROLL for (int32_t row = blockIdx.x; row < rows; row += gridDim.x) {
    Ranked last = {INFINITY, -1};
    ALEXNET_NO_UNROLL for (int32_t j = 0; j < k; ++j) {
      Ranked best = {-INFINITY, 0x7FFFFFFF};
      ALEXNET_NO_UNROLL for (int32_t c = threadIdx.x; c < width; c += blockDim.x) {
        const float value = x[row * width + c];
        const Ranked here = {value != value ? -INFINITY : value, static_cast<int32_t>(c)};
        if (Before(last, here) && Before(here, best)) best = here;
      }
      last = BlockReduce(best, shared, First());
      if (threadIdx.x != 0) continue;
      values[row * k + j] = x[row * width + last.index];
      indices[row * k + j] = last.index;
    }
  }
}

// ---- pictures to network input

/** A thread makes one pixel, [records, crop, crop, 3]; frames: null if all pictures have one size. */
extern "C" __global__ void augment(const uint8_t* images, const AugmentRecord* records, const float* mean,
                                   const float* std, const AugmentFrame* frames, float* y,
                                   AugmentArguments arguments) {
  const int32_t crop = arguments.crop, pixels = crop * crop;
  ALEXNET_EACH_INDEX(i, arguments.records * pixels) {
    const int32_t r = i / pixels, row = i % pixels / crop, column = i % crop;
    const AugmentRecord& record = records[r];
    const int32_t picture = r / arguments.views;
    const int32_t width = frames != nullptr ? frames[picture].width : arguments.width;
    const int32_t first =
        frames != nullptr ? frames[picture].offset : picture * arguments.height * arguments.width * 3;
    float sample[3];
    Sample(images + first, width, record, mean, arguments, record.flip != 0 ? crop - 1 - row : row,
           record.mirror != 0 ? crop - 1 - column : column, sample);
    const bool erased = IsErased(record, row, column);
    for (int c = 0; c < 3; ++c) {
      y[3 * i + c] = erased ? 0.f : (sample[c] + record.offset[c]) * (1.f / std[c]);
    }
  }
}

// ---- once for each type of activations

#define ALEXNET_TYPE float
#define ALEXNET_NAME(name) name##_f32
#include "cuda/typed_kernels.inc"
#undef ALEXNET_TYPE
#undef ALEXNET_NAME

#define ALEXNET_TYPE F16
#define ALEXNET_NAME(name) name##_f16
#include "cuda/typed_kernels.inc"
#undef ALEXNET_TYPE
#undef ALEXNET_NAME

#define ALEXNET_TYPE BF16
#define ALEXNET_NAME(name) name##_bf16
#include "cuda/typed_kernels.inc"
#undef ALEXNET_TYPE
#undef ALEXNET_NAME

}  // namespace alexnet::cuda
