// Which plan was chosen for which convolution, kept between processes: choosing takes seconds, more if
// measured.
// Invariant: a line a choice, "machine <tab> problem <tab> plan"; lines of other machines and what is not
// such a line are left alone.
#pragma once

#include <optional>
#include <string>
#include <unordered_map>

namespace alexnet::cuda {

class PlanFile {
 public:
  /**
   * @param path  made if it is not there; empty: nothing is kept
   * @param machine  what plans depend on: the GPU and cuDNN's version
   * @throws Error if the file cannot be read or written
   */
  PlanFile(std::string path, std::string machine);

  std::optional<std::string> Find(const std::string& problem) const;
  void Add(const std::string& problem, const std::string& plan);

 private:
  const std::string path_, machine_;
  std::unordered_map<std::string, std::string> plans_;
};

}  // namespace alexnet::cuda
