// The parts of the fused ops of response normalisation and max pooling.
// Invariant: what lies between the parts lives no longer than the call.
#include "core/lrn_max_pool.h"

#include <algorithm>

namespace alexnet {
namespace {

const OpSpec& Spec(std::string_view name) {
  const std::vector<OpSpec>& table = OpTable();
  return *std::find_if(table.begin(), table.end(), [=](const OpSpec& spec) { return spec.name == name; });
}

/** Another op, with those of the call's attributes that it has, too. */
void RunPart(Backend& backend, const OpCall& call, std::string_view name, std::vector<TensorPtr> inputs,
             std::vector<TensorPtr> outputs) {
  OpCall part;
  part.op = &Spec(name);
  part.inputs = std::move(inputs);
  part.outputs = std::move(outputs);
  part.label = call.label;
  for (const std::string& attribute : part.op->attributes) part.attributes.push_back(call.Number(attribute));
  backend.Run(part);
}

TensorPtr Like(const Tensor& tensor) {
  return std::make_shared<Tensor>(tensor.dtype, tensor.shape);
}

}  // namespace

void SplitLrnMaxPool2dForward(Backend& backend, const OpCall& call) {
  const TensorPtr normalised = Like(*call.inputs[0]);
  RunPart(backend, call, "lrnForward", {call.inputs[0]}, {normalised});
  RunPart(backend, call, "maxPool2dForward", {normalised}, call.outputs);
}

void SplitLrnMaxPool2dBackward(Backend& backend, const OpCall& call) {
  const TensorPtr &x = call.inputs[0], &argmax = call.inputs[1], &dy = call.inputs[2], &dx = call.outputs[0];
  const bool relu = call.Flag("relu");
  const TensorPtr spread = Like(*x), unmasked = relu ? Like(*x) : dx;
  RunPart(backend, call, "maxPool2dBackward", {argmax, dy}, {spread});
  RunPart(backend, call, "lrnBackward", {x, spread}, {unmasked});
  if (relu) RunPart(backend, call, "reluBackward", {x, unmasked}, {dx});
}

}  // namespace alexnet
