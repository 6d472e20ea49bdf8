// What the plan cache keeps: a compiled convolution or matrix product, behind an interface of its file.
// Invariant: a plan belongs to one device and one problem.
#pragma once

#include <memory>
#include <string>

namespace alexnet::cuda {

/** What a file of ops remembers of a problem. */
class Compiled {
 public:
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  virtual ~Compiled() = default;
};

struct Plan {
  std::shared_ptr<const Compiled> compiled;
  std::string implementation;

  template <typename Kind>
  const Kind& as() const {
    return static_cast<const Kind&>(*compiled);
  }
};

}  // namespace alexnet::cuda
