// The op table and a call of one of its ops.
// Invariant: a call has exactly the inputs, outputs and attributes its line declares; absent ones are null.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/tensor.h"

namespace alexnet {

struct OpSpec {
  struct Operand {
    std::string name;
    bool optional;
  };

  std::string name;
  std::string signature;  // "inputs -> outputs | attributes", as compared with JavaScript
  std::vector<Operand> inputs;
  std::vector<Operand> outputs;
  std::vector<std::string> attributes;
};

/** All ops, in the order of op_table.def; the index is what JavaScript dispatches by. */
const std::vector<OpSpec>& OpTable();

/** A plain description of work: no JavaScript value ever gets here. */
struct OpCall {
  const OpSpec* op = nullptr;
  std::vector<TensorPtr> inputs;
  std::vector<TensorPtr> outputs;
  std::vector<double> attributes;
  std::string label;  // the layer or caller, for messages

  double Number(std::string_view name) const;
  int64_t Integer(std::string_view name) const { return static_cast<int64_t>(Number(name)); }
  bool Flag(std::string_view name) const { return Number(name) != 0; }
};

/** @throws Error if the call does not have what its spec declares. */
void Validate(const OpCall& call);

}  // namespace alexnet
