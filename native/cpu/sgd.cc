// Stochastic gradient descent with momentum and weight decay, in place, in both forms in use:
//   paper    v <- momentum v - learningRate (weightDecay w + dw);  w <- w + v
//   PyTorch  v <- momentum v + (weightDecay w + dw);               w <- w - learningRate v
// Invariant: v lies in dw's layout after the first step, and w too or in panels, so an update is one pass over memory;
// a copy of w that it keeps holds the new w.
#include <algorithm>
#include <cmath>
#include <optional>

#include "cpu/bfloat16.h"
#include "cpu/kernels.h"
#include "cpu/panels.h"
#include "cpu/parallel.h"

namespace alexnet::cpu {
namespace {

struct Rates {
  float learning_rate, momentum, weight_decay, scale;
};

constexpr int64_t kGrain = 1 << 15;

ALEXNET_INLINE void PaperRange(float* __restrict w, float* __restrict v, const float* __restrict dw,
                               int64_t begin, int64_t end, Rates rates) {
  const float learning_rate = rates.learning_rate, momentum = rates.momentum,
              weight_decay = rates.weight_decay, scale = rates.scale;
  for (int64_t i = begin; i < end; ++i) {
    v[i] = momentum * v[i] - learning_rate * (weight_decay * w[i] + scale * dw[i]);
    w[i] += v[i];
  }
}

ALEXNET_INLINE void TorchRange(float* __restrict w, float* __restrict v, const float* __restrict dw,
                               int64_t begin, int64_t end, Rates rates) {
  const float learning_rate = rates.learning_rate, momentum = rates.momentum,
              weight_decay = rates.weight_decay, scale = rates.scale;
  for (int64_t i = begin; i < end; ++i) {
    v[i] = momentum * v[i] + (weight_decay * w[i] + scale * dw[i]);
    w[i] -= learning_rate * v[i];
  }
}

/** An update of a fully connected layer: rows of v and dw as they come, w and its copy in their panels. */
struct RowUpdate {
  float *w, *v;
  const float* dw;
  Panels w_panels;
  /** Null: there is none. */
  BFloat16* copy;
  Panels copy_panels;
  Rates rates;
};

ALEXNET_INLINE uint32_t Narrowed(float value) {
  BFloat16 narrow;
  Store(value, &narrow);
  return narrow.bits;
}

/** Two rows, interleaved; the second may be null, and is zero then. */
ALEXNET_INLINE void StorePairs(const float* first, const float* second, BFloat16* to, int64_t count) {
  auto* const pairs = reinterpret_cast<uint32_t*>(to);
  if (second == nullptr) {
    for (int64_t i = 0; i < count; ++i) pairs[i] = Narrowed(first[i]);
    return;
  }
#pragma GCC ivdep
  for (int64_t i = 0; i < count; ++i) pairs[i] = Narrowed(first[i]) | Narrowed(second[i]) << 16;
}

/**
 * Two rows at a time, a panel's width at a time, from row `begin`, which is even, to row `end`.
 * @tparam kWidth  that of the panels, as a constant: a loop of a few vectors whose end the processor must guess waits
 *                 for memory each time it guesses wrong; 0: any
 */
template <auto kRange, int64_t kWidth>
ALEXNET_INLINE void UpdateRows(RowUpdate update, int64_t begin, int64_t end) {
  const Panels lies = update.w_panels, copied = update.copy_panels;
  const Rates rates = update.rates;
  const int64_t columns = lies.columns, width = kWidth != 0 ? kWidth : lies.width;
  for (int64_t row = begin; row < end; row += 2) {
    const int64_t rows = std::min<int64_t>(2, end - row);
    float* w = update.w + row * lies.row_stride;
    BFloat16* copy = update.copy + row * copied.row_stride;
    for (int64_t column = 0; column < columns; column += width, w += lies.stride, copy += copied.stride) {
      const int64_t count = std::min(width, columns - column);
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t at = (row + i) * columns + column;
        if (kWidth != 0 && count == kWidth) {
          kRange(w + i * lies.row_stride, update.v + at, update.dw + at, 0, kWidth, rates);
        } else {
          kRange(w + i * lies.row_stride, update.v + at, update.dw + at, 0, count, rates);
        }
      }
      if (update.copy == nullptr) continue;
      if (copied.pairs) {
        StorePairs(w, rows == 2 ? w + lies.row_stride : nullptr, copy, count);
        continue;
      }
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t k = 0; k < count; ++k) {
          Store(w[i * lies.row_stride + k], copy + i * copied.row_stride + k);
        }
      }
    }
  }
}

template <auto kRange>
void UpdateAllRows(const RowUpdate& update) {
  const Panels& lies = update.w_panels;
  const int64_t pairs = (lies.rows + 1) / 2, grain = std::max<int64_t>(1, kGrain / (2 * lies.columns));
  ParallelFor(pairs, grain, [&](int64_t begin, int64_t end) {
    const int64_t first = 2 * begin, last = std::min(lies.rows, 2 * end);
    switch (lies.width) {
      case 24:  // what oneDNN takes with AVX2
        return EveryIsa<UpdateRows<kRange, 24>>(update, first, last);
      case 64:  // and with AVX-512
        return EveryIsa<UpdateRows<kRange, 64>>(update, first, last);
      default:
        return EveryIsa<UpdateRows<kRange, 0>>(update, first, last);
    }
  });
}

/** The copy of 16 bits in panels that was made last, taken out of those that `tensor` keeps; or no buffer. */
Buffer TakeCopy(const Tensor& tensor) {
  std::vector<Buffer>& packed = StorageOf(tensor).packed;
  for (auto copy = packed.rbegin(); copy != packed.rend(); ++copy) {
    if (copy->layout.get_data_type() != dnnl::memory::data_type::bf16 || !PanelsOf(copy->layout)) continue;
    Buffer taken = std::move(*copy);
    packed.clear();
    return taken;
  }
  return {};
}

/** Where dw lies in rows, w in panels or in rows with a copy in panels. @returns false: it is another case */
bool UpdateInRows(CpuBackend& backend, OpCall& call, Rates rates) {
  const Tensor& weights = *call.inputs[0];
  const Buffer& dw = AsIs(*call.inputs[2]);
  const std::optional<Panels> rows = PanelsOf(dw.layout);
  if (!rows || !rows->IsWhole()) return false;
  const Buffer copy = TakeCopy(weights);
  const Panels copied = copy ? PanelsOf(copy.layout).value_or(Panels{}) : Panels{};
  const std::optional<Panels> lies = PanelsOf(AsIs(weights).layout);
  const bool stays = lies && (!copy || lies->IsWhole() || copied.IsWhole() || lies->width == copied.width);
  const Panels panels = stays ? *lies : *rows;
  const int64_t width = copy ? std::min(panels.width, copied.width) : panels.width;
  RowUpdate update = {};
  update.w_panels = panels.Cut(width);
  update.w = Writable(backend, weights, stays ? AsIs(weights).layout : dw.layout);
  update.v = Writable(backend, *call.inputs[1], dw.layout);
  update.dw = dw.floats();
  update.rates = rates;
  if (copy) {
    update.copy = static_cast<BFloat16*>(copy.data());
    update.copy_panels = copied.Cut(width);
    StorageOf(weights).packed.push_back(copy);
  }
  if (call.Flag("torchForm")) {
    UpdateAllRows<TorchRange>(update);
  } else {
    UpdateAllRows<PaperRange>(update);
  }
  return true;
}

}  // namespace

void Sgd(CpuBackend& backend, OpCall& call) {
  const Rates rates = {static_cast<float>(call.Number("learningRate")),
                       static_cast<float>(call.Number("momentum")),
                       static_cast<float>(call.Number("weightDecay")),
                       call.inputs[3] ? *Plain(backend, *call.inputs[3]).floats() : 1.f};
  if (!std::isfinite(rates.scale)) return;
  if (UpdateInRows(backend, call, rates)) return;
  const Buffer dw = AsIs(*call.inputs[2]);
  float* const w = Writable(backend, *call.inputs[0], dw.layout);
  float* const v = Writable(backend, *call.inputs[1], dw.layout);
  const bool torch_form = call.Flag("torchForm");
  // Padding counts as elements: zero in dw, w and v alike, it stays zero.
  const auto elements = static_cast<int64_t>(dw.layout.get_size() / sizeof(float));
  ParallelFor(elements, kGrain, [&](int64_t begin, int64_t end) {
    if (torch_form) {
      EveryIsa<TorchRange>(w, v, dw.floats(), begin, end, rates);
    } else {
      EveryIsa<PaperRange>(w, v, dw.floats(), begin, end, rates);
    }
  });
}

}  // namespace alexnet::cpu
