// What the ops with max pooling have in common.
// Invariant: gradients flow in the layout that the forward op used.
#pragma once

#include "cpu/max_pool_rows.h"
#include "cpu/pixels.h"

namespace alexnet::cpu {

/** What max pooling's forward op leaves for its backward op: where each maximum was, and in which layouts. */
struct ArgmaxStorage final : Storage {
  dnnl::memory::desc source, target;
  Buffer winners;  // places in windows, in target's order if the kernels of max_pool_rows.h wrote them
  bool by_rows = false;
  std::vector<double> attributes;
};

/** @throws Error if `argmax` is not that of a call with these attributes and shapes */
const ArgmaxStorage& ArgmaxOf(const Tensor& argmax, const std::vector<double>& attributes, const Shape& x,
                              const Shape& y);

MaxPool MaxPoolOf(const OpCall& call, const Shape& x, const Shape& y);

/** An argmax that the kernels of max_pool_rows.h fill, for an output that lies as `target`. */
std::shared_ptr<ArgmaxStorage> CreateArgmax(CpuBackend& backend, const OpCall& call,
                                            const dnnl::memory::desc& source,
                                            const dnnl::memory::desc& target);

}  // namespace alexnet::cpu
