// When Winograd's convolution is used, and how its work is shared out.
// Invariant: a chunk of tiles is transformed, multiplied and restored by one thread while it is in that
// core's cache.
#include "cpu/winograd/winograd.h"

#include <omp.h>

#include "core/every_isa.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

using dnnl::memory;
using winograd::Activations;
using winograd::Kernels;
using winograd::kPointsOfTile;
using winograd::Matrices;
using winograd::Taps;
using winograd::TileRange;

int64_t DivideUp(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}

const Kernels* KernelsFor(int64_t taps) {
#if defined(__x86_64__) || defined(_M_X64)
  switch (BestVectorIsa()) {
    case VectorIsa::kAvx512:
      return avx512::WinogradKernels(taps);
    case VectorIsa::kAvx2:
      return avx2::WinogradKernels(taps);
    case VectorIsa::kBaseline:
      break;
  }
#endif
  return nullptr;
}

winograd::Tiling TilingOf(const ConvolutionShape& shape, const Kernels& kernels) {
  return {DivideUp(shape.output_height, kernels.outputs), DivideUp(shape.output_width, kernels.outputs)};
}

/** Tiles of the weights' gradient that a thread transforms at once. */
constexpr int64_t kPart = 12;

/** How tiles are cut into chunks: `copies` are under way at once. */
struct Chunking {
  int64_t longest, multiple, copies;

  /**
   * Tiles of a chunk of which both matrices stay in the last cache, beside those of the weights, which are read again
   * with each chunk; where the weights alone would fill it, chunks are long, for them to be read less often.
   */
  int64_t Tiles(const ConvolutionShape& shape) const {
    constexpr int64_t kCachedBytes = int64_t{12} << 20;
    constexpr int64_t kBytes = kPointsOfTile * static_cast<int64_t>(sizeof(float));
    const int64_t weights = kBytes * shape.inputs * shape.outputs;
    if (weights > kCachedBytes / 3 * 2) return longest;
    const int64_t tiles = (kCachedBytes - weights) / (kBytes * (shape.inputs + shape.outputs) * copies);
    return std::min(longest, std::max(tiles / multiple, int64_t{1}) * multiple);
  }
};

Buffer Floats(CpuBackend& backend, int64_t count) {
  return backend.Allocate(PlainLayout(memory::dims{count}, memory::data_type::f32));
}

}  // namespace

ConvolutionShape ConvolutionShape::OfDataGradient() const {
  ConvolutionShape shape = *this;
  std::swap(shape.inputs, shape.outputs);
  std::swap(shape.height, shape.output_height);
  std::swap(shape.width, shape.output_width);
  shape.pad_top = taps_h - 1 - pad_top;
  shape.pad_left = taps_w - 1 - pad_left;
  return shape;
}

std::shared_ptr<const Winograd> Winograd::For(const ConvolutionShape& shape, memory::data_type type) {
  const auto direct = static_cast<double>(shape.taps_h * shape.taps_w);
  if (shape.stride_h == 1 && shape.stride_w == 1) return Make(shape, type, direct, std::nullopt);
  const std::optional<SpaceToDepth> blocks = SpaceToDepth::For(shape);
  if (!blocks) return nullptr;
  return Make(blocks->blocked(), type,
              direct * static_cast<double>(shape.inputs) / static_cast<double>(blocks->blocked().inputs),
              blocks);
}

std::shared_ptr<const Winograd> Winograd::ForDataGradient(const ConvolutionShape& shape,
                                                          memory::data_type type) {
  if (shape.stride_h != 1 || shape.stride_w != 1) return nullptr;
  return Make(shape.OfDataGradient(), type, static_cast<double>(shape.taps_h * shape.taps_w), std::nullopt);
}

/** @param direct  multiplications of the direct convolution for an output pixel and a pair of channels */
std::shared_ptr<const Winograd> Winograd::Make(const ConvolutionShape& shape, memory::data_type type,
                                               double direct, std::optional<SpaceToDepth> blocks) {
  if (shape.taps_h != shape.taps_w) return nullptr;
  // With AMX, bfloat16 is multiplied several times as fast as float32; else twice as fast.
  const bool bfloat16 = type == memory::data_type::bf16;
  if (bfloat16 && HasInstructions(dnnl::cpu_isa::avx512_core_amx)) return nullptr;
  const Kernels* const kernels = KernelsFor(shape.taps_h);
  if (kernels == nullptr || shape.inputs % kernels->width != 0 || shape.outputs % kernels->width != 0) {
    return nullptr;
  }
  // For a pair of channels. Measured on AlexNet's layers with 1 to 128 images: transforming its filter takes
  // as long as multiplying 50 tiles, transforms of tiles about a sixth of their multiplications.
  constexpr int64_t kTilesOfFilter = 50;
  constexpr double kTransforms = 1.15, kLeastGain = 1.2;
  const int64_t tiles = shape.images * TilingOf(shape, *kernels).of_image();
  const double ours = kTransforms * static_cast<double>((tiles + kTilesOfFilter) * kPointsOfTile);
  direct *= static_cast<double>(shape.images * shape.output_height * shape.output_width) / (bfloat16 ? 2 : 1);
  if (direct < kLeastGain * ours) return nullptr;
  return std::shared_ptr<const Winograd>(new Winograd(shape, *kernels, std::move(blocks)));
}

Winograd::Winograd(const ConvolutionShape& shape, const Kernels& kernels, std::optional<SpaceToDepth> blocks)
    : shape_(shape),
      blocks_(std::move(blocks)),
      kernels_(kernels),
      tiling_(TilingOf(shape, kernels)),
      tiles_(shape.images * tiling_.of_image()) {}

memory::desc Winograd::Preferred(const Tensor& tensor) const {
  using Tag = memory::format_tag;
  const Tag blocked = kernels_.width == 16 ? Tag::nChw16c : Tag::nChw8c;
  return {tensor.shape, TypeOf(tensor.dtype), tensor.dtype == DType::kBFloat16 ? Tag::nhwc : blocked};
}

Buffer Winograd::Readable(CpuBackend& backend, const Tensor& tensor) const {
  const memory::desc channels_last(tensor.shape, TypeOf(tensor.dtype), memory::format_tag::nhwc);
  return AsIs(tensor).layout == channels_last ? AsIs(tensor) : In(backend, tensor, Preferred(tensor));
}

Activations Winograd::View(const Buffer& buffer, int64_t channels, int64_t group) const {
  const memory::dims dims = buffer.layout.get_dims(), strides = buffer.layout.get_strides();
  const bool bfloat16 = buffer.layout.get_data_type() == memory::data_type::bf16;
  const int64_t vector = buffer.layout.get_inner_nblks() == 0 ? kernels_.width : strides[1];
  const int64_t offset = group * (channels / kernels_.width) * vector;
  char* const data = static_cast<char*>(buffer.data()) + offset * (bfloat16 ? 2 : 4);
  return {data, bfloat16, dims[2], dims[3], strides[0], vector, strides[2], strides[3]};
}

void Winograd::Forward(CpuBackend& backend, const Tensor& x, const Tensor& w, const Tensor* bias, bool relu,
                       Tensor& y) const {
  const int64_t filter = shape_.taps_h * shape_.taps_w;
  const Taps taps = {shape_.inputs * filter, filter, false};
  if (blocks_) {
    const Buffer weights = blocks_->Weights(backend, Plain(backend, w));
    return Convolve(backend, blocks_->Images(backend, x), weights, taps, bias, relu, y);
  }
  Convolve(backend, Readable(backend, x), Plain(backend, w), taps, bias, relu, y);
}

void Winograd::DataGradient(CpuBackend& backend, const Tensor& dy, const Tensor& w, Tensor& dx) const {
  const int64_t filter = shape_.taps_h * shape_.taps_w;
  const Taps taps = {filter, shape_.outputs * filter, true};
  Convolve(backend, Readable(backend, dy), Plain(backend, w), taps, nullptr, false, dx);
}

void Winograd::Convolve(CpuBackend& backend, const Buffer& from, const Buffer& weights, const Taps& taps,
                        const Tensor* bias, bool relu, Tensor& y) const {
  const int64_t inputs = shape_.inputs, outputs = shape_.outputs;
  const Buffer shift = bias != nullptr ? Plain(backend, *bias) : Buffer{};
  const Buffer to = backend.Create(y, Preferred(y));

  const int64_t weights_of_group = inputs * outputs * shape_.taps_h * shape_.taps_w;
  const int64_t size_of_group = Matrices{nullptr, inputs, outputs}.size();
  const Buffer transformed = Floats(backend, shape_.groups * size_of_group);
  const auto u = [&](int64_t group) {
    return Matrices{transformed.floats() + group * size_of_group, inputs, outputs};
  };
  ParallelFor(shape_.groups * inputs, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / inputs, input = i % inputs;
      kernels_.TransformWeights(weights.floats() + group * weights_of_group, taps, {input, input + 1},
                                u(group));
    }
  });

  // More than what the next operation would find in a cache.
  constexpr size_t kCachedBytes = size_t{16} << 20;
  const bool stream = to.layout.get_size() > kCachedBytes;
  // Short enough for everybody to get some.
  constexpr int64_t kLongestChunk = 96, kRows = 6;
  const int64_t threads = omp_get_max_threads();
  const int64_t share = DivideUp(DivideUp(tiles_ * shape_.groups, threads), kRows) * kRows;
  const int64_t chunk = std::min(Chunking{kLongestChunk, kRows, threads}.Tiles(shape_), share),
                chunks = DivideUp(tiles_, chunk);
  const int64_t v_size = Matrices{nullptr, chunk, inputs}.size();
  const int64_t scratch_size = v_size + Matrices{nullptr, chunk, outputs}.size();
  const Buffer scratch = Floats(backend, threads * scratch_size);
  ParallelFor(shape_.groups * chunks, 1, [&](int64_t begin, int64_t end) {
    float* const own = scratch.floats() + omp_get_thread_num() * scratch_size;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / chunks, first = i % chunks * chunk;
      const TileRange tiles = {first, std::min(tiles_, first + chunk)};
      const Matrices v = {own, tiles.count(), inputs}, m = {own + v_size, tiles.count(), outputs};
      kernels_.TransformInput(View(from, inputs, group), tiling_, shape_.pad_top, shape_.pad_left, tiles, 0,
                              v);
      const Matrices right = u(group);
      for (int64_t point = 0; point < kPointsOfTile; ++point) {
        for (int64_t column = 0; column < outputs; column += kernels_.panel) {
          kernels_.Multiply(v.at(point), inputs, 1, tiles.count(), right.at(point) + column * inputs, inputs,
                            std::min(kernels_.panel, outputs - column), false,
                            m.at(point) + column * tiles.count());
        }
      }
      const winograd::Finish finish = {bias != nullptr ? shift.floats() + group * outputs : nullptr, relu,
                                       stream};
      kernels_.RestoreOutput(m, tiling_, tiles, finish, View(to, outputs, group));
    }
  });
}

void Winograd::WeightGradient(CpuBackend& backend, const Tensor& x, const Tensor& dy, Tensor& dw,
                              Tensor* db) const {
  const int64_t inputs = shape_.inputs, outputs = shape_.outputs, filter = shape_.taps_h * shape_.taps_w;
  const Buffer from = blocks_ ? blocks_->Images(backend, x) : Readable(backend, x);
  const Buffer gradient = Readable(backend, dy), target = backend.CreatePlain(dw);
  const Buffer to = blocks_ ? Floats(backend, shape_.groups * inputs * outputs * filter) : target;
  const Buffer shift = db != nullptr ? backend.CreatePlain(*db) : Buffer{};

  const int64_t chunk = Chunking{288, kPart, 1}.Tiles(shape_);
  const Matrices v_shape = {nullptr, chunk, inputs}, z_shape = {nullptr, chunk, outputs};
  const Buffer v = Floats(backend, v_shape.size()), z = Floats(backend, z_shape.size());
  const Buffer points = Floats(backend, Matrices{nullptr, inputs, outputs}.size());
  const Matrices du = {points.floats(), inputs, outputs};
  for (int64_t group = 0; group < shape_.groups; ++group) {
    float* const sums = db != nullptr ? shift.floats() + group * outputs : nullptr;
    const Activations x_group = View(from, inputs, group), dy_group = View(gradient, outputs, group);
    for (int64_t first = 0; first < tiles_; first += chunk) {
      const TileRange tiles = {first, std::min(tiles_, first + chunk)};
      Accumulate(x_group, dy_group, tiles, {v.floats(), tiles.count(), inputs},
                 {z.floats(), tiles.count(), outputs}, du, sums);
    }
    ParallelFor(inputs, 1, [&](int64_t begin, int64_t end) {
      kernels_.RestoreWeights(du, {begin, end}, {inputs * filter, filter, false},
                              to.floats() + group * inputs * outputs * filter);
    });
  }
  if (blocks_) blocks_->UnblockWeights(to.floats(), target.floats());
}

void Winograd::Accumulate(const Activations& x, const Activations& dy, TileRange tiles, Matrices v,
                          Matrices z, Matrices du, float* sums) const {
  const bool is_first = tiles.begin == 0;
  const int64_t outputs = shape_.outputs, count = tiles.count();
  const int64_t parts = DivideUp(count, kPart);
  std::vector<float> part_sums(static_cast<size_t>(sums != nullptr ? parts * outputs : 0));
  ParallelFor(parts, 1, [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * kPart;
      const TileRange range = {tiles.begin + first, std::min(tiles.end, tiles.begin + first + kPart)};
      kernels_.TransformInput(x, tiling_, shape_.pad_top, shape_.pad_left, range, first, v);
      kernels_.TransformGradient(dy, tiling_, range, first, z,
                                 sums != nullptr ? part_sums.data() + part * outputs : nullptr);
    }
  });
  if (sums != nullptr) {
    if (is_first) std::fill_n(sums, outputs, 0.f);
    for (int64_t part = 0; part < parts; ++part) {
      for (int64_t i = 0; i < outputs; ++i) sums[i] += part_sums[static_cast<size_t>(part * outputs + i)];
    }
  }
  const int64_t panels = DivideUp(outputs, kernels_.panel);
  ParallelFor(kPointsOfTile * panels, 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t point = i / panels, column = i % panels * kernels_.panel;
      kernels_.Multiply(v.at(point), 1, v.columns, v.columns, z.at(point) + column * count, count,
                        std::min(kernels_.panel, outputs - column), !is_first,
                        du.at(point) + column * v.columns);
    }
  });
}

}  // namespace alexnet::cpu
