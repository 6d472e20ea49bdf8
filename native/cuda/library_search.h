// Where a shared library may be: a folder the user names, the loader's paths, a toolkit, pip's wheels.
// Invariant: opening tries the places in that order and remembers each, for the message if all fail.
#pragma once

#include <string>
#include <vector>

namespace alexnet::cuda {

/** The variable that names folders to look in first, separated by colons. */
constexpr const char* kFoldersVariable = "ALEXNET_CUDA_LIBRARIES";

struct OpenLibrary {
  void* handle = nullptr;  // as from dlopen; null: not found
  std::string path;
  std::string tried;  // places and reasons, for a message
};

/** @param names  file names that will do, the preferred one first */
OpenLibrary FindLibrary(const std::vector<std::string>& names);

}  // namespace alexnet::cuda
