// The places, and the opening of what is in them.
// Invariant: a file that exists and cannot be opened is reported with the loader's reason; in a folder that
// the user named, it ends the search.
#include "cuda/library_search.h"

#include <dlfcn.h>
#include <glob.h>
#include <link.h>
#include <unistd.h>

#include <cstdlib>
#include <sstream>

#include "core/error.h"

namespace alexnet::cuda {
namespace {

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> Split(const std::string& list) {
  std::vector<std::string> parts;
  std::istringstream in(list);
  for (std::string part; std::getline(in, part, ':');) {
    if (!part.empty()) parts.push_back(part);
  }
  return parts;
}

std::vector<std::string> Matches(const std::string& pattern) {
  std::vector<std::string> paths;
  glob_t found;
  if (glob(pattern.c_str(), 0, nullptr, &found) == 0) {
    for (size_t i = 0; i < found.gl_pathc; ++i) paths.emplace_back(found.gl_pathv[i]);
  }
  globfree(&found);
  return paths;
}

void Add(std::vector<std::string>& folders, const std::vector<std::string>& more) {
  folders.insert(folders.end(), more.begin(), more.end());
}

/** Folders of a toolkit, and of the wheels in the Pythons that are usual. */
std::vector<std::string> UsualFolders() {
  std::vector<std::string> folders;
  for (const char* variable : {"CUDA_HOME", "CUDA_PATH"}) {
    const std::string root = Variable(variable);
    if (!root.empty()) Add(folders, {root + "/lib64", root + "/lib"});
  }
  const std::string conda = Variable("CONDA_PREFIX"), home = Variable("HOME");
  if (!conda.empty()) folders.push_back(conda + "/lib");
  Add(folders, {"/usr/local/cuda/lib64", "/usr/lib/wsl/lib"});
  for (const std::string& root : {Variable("VIRTUAL_ENV"), conda, home.empty() ? home : home + "/.local",
                                  std::string("/usr/local"), std::string("/usr")}) {
    if (!root.empty()) Add(folders, Matches(root + "/lib/python3*/*-packages/nvidia/*/lib"));
  }
  return folders;
}

std::string PathOf(void* handle, const std::string& name) {
  link_map* map = nullptr;
  const bool known = dlinfo(handle, RTLD_DI_LINKMAP, static_cast<void*>(&map)) == 0 && map != nullptr &&
                     map->l_name[0] != '\0';
  return known ? map->l_name : name;
}

class Search {
 public:
  bool Try(const std::string& path) {
    void* const handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
      const char* const reason = dlerror();
      failed_ = true;
      result_.tried += "\n  " + std::string(reason == nullptr ? path : reason);
      return false;
    }
    result_.handle = handle;
    result_.path = PathOf(handle, path);
    return true;
  }

  /** @returns whether one of the names in the folder was opened */
  bool TryFolder(const std::string& folder, const std::vector<std::string>& names) {
    for (const std::string& name : names) {
      const std::string path = Message(folder, "/", name);
      if (access(path.c_str(), F_OK) == 0 && Try(path)) return true;
    }
    return false;
  }

  /** Whether a library was there and could not be opened. */
  bool failed() const { return failed_; }
  void Note(const std::string& line) { result_.tried += "\n  " + line; }
  OpenLibrary result() const { return result_; }

 private:
  OpenLibrary result_;
  bool failed_ = false;
};

}  // namespace

OpenLibrary FindLibrary(const std::vector<std::string>& names) {
  Search search;
  for (const std::string& folder : Split(Variable(kFoldersVariable))) {
    if (search.TryFolder(folder, names) || search.failed()) return search.result();
    search.Note(folder + " (" + kFoldersVariable + "): not there");
  }
  for (const std::string& name : names) {
    if (search.Try(name)) return search.result();
  }
  const std::vector<std::string> folders = UsualFolders();
  std::string list;
  for (const std::string& folder : folders) {
    if (search.TryFolder(folder, names)) return search.result();
    list += (list.empty() ? "" : ", ") + folder;
  }
  search.Note("not in " + list);
  return search.result();
}

}  // namespace alexnet::cuda
