// Reads the file once, appends to it.
// Invariant: a line is written in one call, so that processes that share the file do not mix theirs.
#include "cuda/plan_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/error.h"

namespace alexnet::cuda {
namespace {

void AppendTo(const std::string& path, const std::string& text) {
  const int file = open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
  const bool written =
      file >= 0 && write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const int reason = errno;
  if (file >= 0) close(file);
  Check(written, "the plan file ", path, " cannot be written: ", std::strerror(reason),
        "; give another planFile, or none");
}

}  // namespace

PlanFile::PlanFile(std::string path, std::string machine)
    : path_(std::move(path)), machine_(std::move(machine)) {
  if (path_.empty()) return;
  AppendTo(path_, "");
  std::ifstream in(path_);
  Check(in.good(), "the plan file ", path_, " cannot be read; give another planFile, or none");
  for (std::string line; std::getline(in, line);) {
    const size_t first = line.find('\t'), last = line.rfind('\t');
    if (first == std::string::npos || last == first || line.compare(0, first, machine_) != 0) continue;
    plans_[line.substr(first + 1, last - first - 1)] = line.substr(last + 1);
  }
}

std::optional<std::string> PlanFile::Find(const std::string& problem) const {
  const auto found = plans_.find(problem);
  return found == plans_.end() ? std::nullopt : std::make_optional(found->second);
}

void PlanFile::Add(const std::string& problem, const std::string& plan) {
  if (path_.empty()) return;
  const auto known = Find(problem);
  if (known && *known == plan) return;
  plans_[problem] = plan;
  AppendTo(path_, Message(machine_, '\t', problem, '\t', plan, '\n'));
}

}  // namespace alexnet::cuda
