// Response normalisation and max pooling in one pass: what is normalised is pooled while it is in cache and
// is never written; backward, a pixel's gradient is collected from the windows where it is needed.
// Invariant: gives what the two ops give; of what is normalised in bfloat16, maxima are taken before
// rounding.
#include "core/lrn_max_pool.h"

#include "cpu/kernels.h"
#include "cpu/lrn.h"
#include "cpu/parallel.h"
#include "cpu/pooling.h"

namespace alexnet::cpu {
namespace {

/** Rows of float32 with a pixel's channels in their order. */
struct ScratchRows {
  std::vector<float> values;
  std::vector<int64_t> vectors;
  int64_t channels, width;

  ScratchRows(const Pixels& at, int64_t rows)
      : values(static_cast<size_t>(rows * at.width * at.channels)), channels(at.channels), width(at.width) {
    for (int64_t channel = 0; channel < channels; channel += VectorLanes()) vectors.push_back(channel);
  }
  Row<float> At(int64_t row) { return {values.data() + row * width * channels, channels, vectors.data()}; }
};

bool GoesByRows(const Lrn& lrn, const MaxPool& pool, const dnnl::memory::desc& layout) {
  return ChannelBlock(layout) != 0 && lrn.GoesByRows(PixelsOf(layout)) && pool.FitsBytes();
}

/** One call's forward pass over output rows. */
template <typename T>
struct Forward {
  Lrn lrn;
  MaxPool pool;
  Pixels from, to;
  std::vector<int64_t> sources, targets;
  const T* x;
  T* y;
  uint8_t* winners;  // null if nobody asks

  /** Output rows [begin, end) of all images; a normalised row serves all the windows that see it. */
  void Run(int64_t begin, int64_t end) const {
    const int64_t kernel = pool.rows.kernel;
    ScratchRows scratch(from, kernel);
    std::vector<float> unused;
    const LrnRow normalisation = lrn.RowOf(from, unused);
    std::vector<Row<const float>> rows;
    int64_t done = 0;  // rows of this image up to this one are normalised, or no longer needed
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / to.height, row = i % to.height;
      const int64_t top = pool.rows.First(row), bottom = pool.rows.End(row);
      if (i == begin || row == 0) done = top;
      rows.clear();
      for (int64_t in = top; in < bottom; ++in) {
        const Row<float> normalised = scratch.At(in % kernel);
        if (in >= done) {
          LrnRowForward(normalisation, Row<const T>{x + from.Offset(image, in), from.pixel(), sources.data()},
                        normalised);
        }
        rows.push_back({normalised.data, normalised.pixel, normalised.vectors});
      }
      done = std::max(done, bottom);
      const int64_t offset = to.Offset(image, row);
      MaxPoolRowForward(pool, rows.data(), pool.rows.Place(row, top), bottom - top,
                        Row<T>{y + offset, to.pixel(), targets.data()},
                        Row<uint8_t>{winners == nullptr ? nullptr : winners + offset, to.pixel(), nullptr});
    }
  }
};

template <typename T>
void ForwardAs(CpuBackend& backend, OpCall& call, const MaxPool& pool, const Buffer& x) {
  const dnnl::memory::desc target = InOrderOf(x.layout, call.outputs[0]->shape, x.layout.get_data_type());
  const Pixels from = PixelsOf(x.layout), to = PixelsOf(target);
  Forward<T> forward = {Lrn(call),
                        pool,
                        from,
                        to,
                        from.Vectors(),
                        to.Vectors(),
                        static_cast<const T*>(x.data()),
                        static_cast<T*>(backend.Create(*call.outputs[0], target).data()),
                        nullptr};
  if (call.outputs[1]) {
    const auto argmax = CreateArgmax(backend, call, x.layout, target);
    forward.winners = static_cast<uint8_t*>(argmax->winners.data());
    call.outputs[1]->storage = argmax;
  }
  ParallelFor(to.images * to.height, 1, [&](int64_t begin, int64_t end) { forward.Run(begin, end); });
}

template <typename T>
void BackwardAs(CpuBackend& backend, OpCall& call, const ArgmaxStorage& argmax) {
  const Buffer x = In(backend, *call.inputs[0], argmax.source);
  const Buffer dy = In(backend, *call.inputs[2], argmax.target);
  const Pixels outer = PixelsOf(argmax.source), inner = PixelsOf(argmax.target);
  const MaxPool pool = MaxPoolOf(call, call.inputs[0]->shape, call.inputs[2]->shape);
  const Lrn lrn(call);
  const std::vector<int64_t> pixels = outer.Vectors(), pooled = inner.Vectors();
  const bool relu = call.Flag("relu");
  const T *const xs = static_cast<const T*>(x.data()), *const dys = static_cast<const T*>(dy.data());
  const auto* const winners = static_cast<const uint8_t*>(argmax.winners.data());
  T* const dxs = static_cast<T*>(backend.Create(*call.outputs[0], argmax.source).data());
  ParallelFor(outer.images * outer.height, 1, [&](int64_t begin, int64_t end) {
    ScratchRows scratch(outer, 1);
    std::vector<float> own;
    const LrnRow normalisation = lrn.RowOf(outer, own);
    const Row<float> spread = scratch.At(0);
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / outer.height, row = i % outer.height;
      const int64_t offset = outer.Offset(image, row), first = inner.Offset(image, 0);
      MaxPoolRowBackward(pool, row, Row<const T>{dys + first, inner.pixel(), pooled.data()},
                         Row<const uint8_t>{winners + first, inner.pixel(), pooled.data()}, inner.row(),
                         spread);
      LrnRowBackward(normalisation, Row<const T>{xs + offset, outer.pixel(), pixels.data()},
                     Row<const float>{spread.data, spread.pixel, spread.vectors},
                     Row<T>{dxs + offset, outer.pixel(), pixels.data()}, relu);
    }
  });
}

/** The forward op's attributes: the backward op has them too, and `relu` behind them. */
std::vector<double> ForwardAttributes(const OpCall& call) {
  return {call.attributes.begin(), call.attributes.end() - 1};
}

}  // namespace

void LrnMaxPool2dForward(CpuBackend& backend, OpCall& call) {
  const Buffer x = InVectors(backend, *call.inputs[0]);
  const MaxPool pool = MaxPoolOf(call, call.inputs[0]->shape, call.outputs[0]->shape);
  if (!GoesByRows(Lrn(call), pool, x.layout)) return SplitLrnMaxPool2dForward(backend, call);
  NotePlan(backend, call, x.layout, true);
  (call.inputs[0]->dtype == DType::kFloat32 ? ForwardAs<float> : ForwardAs<BFloat16>)(backend, call, pool, x);
}

void LrnMaxPool2dBackward(CpuBackend& backend, OpCall& call) {
  const Tensor &x = *call.inputs[0], &dy = *call.inputs[2];
  const auto* const saved = dynamic_cast<const ArgmaxStorage*>(call.inputs[1]->storage.get());
  if (saved != nullptr && saved->attributes.size() + 1 != call.attributes.size()) {
    return SplitLrnMaxPool2dBackward(backend, call);  // as the forward op was
  }
  const ArgmaxStorage& argmax = ArgmaxOf(*call.inputs[1], ForwardAttributes(call), x.shape, dy.shape);
  NotePlan(backend, call, argmax.source, true);
  (x.dtype == DType::kFloat32 ? BackwardAs<float> : BackwardAs<BFloat16>)(backend, call, argmax);
}

}  // namespace alexnet::cpu
