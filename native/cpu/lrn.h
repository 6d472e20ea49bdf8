// What the ops of response normalisation across channels have in common.
// Invariant: alpha weighs the plain sum.
#pragma once

#include <algorithm>

#include "cpu/lrn_rows.h"
#include "cpu/pixels.h"

namespace alexnet::cpu {

struct Lrn {
  int64_t size, groups;
  float alpha, beta, k;

  explicit Lrn(const OpCall& call)
      : size(
            std::min(call.Integer("size"), 2 * call.inputs[0]->shape[1] - 1)),  // wider sees no more channels
        groups(call.Integer("channelGroups")),
        alpha(static_cast<float>(call.Number("alpha"))),
        beta(static_cast<float>(call.Number("beta"))),
        k(static_cast<float>(call.Number("k"))) {}

  /** Whether the kernels of lrn_rows.h can do it: window and power as in every preset, and whole vectors. */
  bool GoesByRows(const Pixels& at) const;
  LrnRow RowOf(const Pixels& at, std::vector<float>& scratch) const;
};

}  // namespace alexnet::cpu
