// Parses op_table.def once and answers questions about calls.
// Invariant: the table is immutable after the first use.
#include "core/op_table.h"

#include <sstream>

#include "core/error.h"

namespace alexnet {
namespace {

std::vector<std::string> Words(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

std::vector<OpSpec::Operand> Operands(const std::string& text) {
  std::vector<OpSpec::Operand> operands;
  for (std::string& word : Words(text)) {
    const bool optional = word.back() == '?';
    if (optional) word.pop_back();
    operands.push_back({word, optional});
  }
  return operands;
}

OpSpec Parse(const char* name, const char* inputs, const char* outputs, const char* attributes) {
  return {name, Message(inputs, " -> ", outputs, " | ", attributes), Operands(inputs), Operands(outputs),
          Words(attributes)};
}

void ValidateOperands(const OpCall& call, const std::vector<OpSpec::Operand>& declared,
                      const std::vector<TensorPtr>& given, const char* what) {
  Check(declared.size() == given.size(), call.op->name, " takes ", declared.size(), " ", what, ", got ",
        given.size());
  for (size_t i = 0; i < declared.size(); ++i) {
    Check(given[i] || declared[i].optional, call.op->name, ": ", what, " '", declared[i].name,
          "' is missing");
  }
}

}  // namespace

const std::vector<OpSpec>& OpTable() {
  static const std::vector<OpSpec> table = {
#define OP(name, inputs, outputs, attributes) Parse(#name, inputs, outputs, attributes),
#include "core/op_table.def"
#undef OP
  };
  return table;
}

double OpCall::Number(std::string_view name) const {
  for (size_t i = 0; i < op->attributes.size(); ++i) {
    if (op->attributes[i] == name) return attributes[i];
  }
  throw Error(ErrorCode::kNative, Message(op->name, " has no attribute '", name, "'"));
}

void Validate(const OpCall& call) {
  ValidateOperands(call, call.op->inputs, call.inputs, "inputs");
  ValidateOperands(call, call.op->outputs, call.outputs, "outputs");
  Check(call.op->attributes.size() == call.attributes.size(), call.op->name, " takes ",
        call.op->attributes.size(), " attributes, got ", call.attributes.size());
}

}  // namespace alexnet
