// The kernels compiled for the host, by name, with what a launch must know of their parameters.
// Invariant: filled before main(), from the list of kernels that the loader reads too.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace simulation {

/** A pointer among a kernel's arguments. */
struct PointerArgument {
  const void* address;
  size_t bytes;  // 0: not known
  bool writable;
  size_t alignment;
};

using PointerVisitor = std::function<void(const PointerArgument&)>;

struct Parameter {
  size_t bytes;
  void (*visit)(const void* argument, const PointerVisitor& visitor);
};

struct Kernel {
  std::string name;
  std::vector<Parameter> parameters;
  /** Calls the kernel as the current thread; `arguments` are the addresses of its parameters. */
  void (*call)(void* const* arguments);
};

std::map<std::string, Kernel>& Kernels();

template <typename T>
PointerArgument DescribePointer(T* address, size_t bytes = 0) {
  size_t alignment = 1;
  if constexpr (!std::is_void_v<T>) alignment = alignof(T);
  return {address, bytes, !std::is_const_v<T>, alignment};
}

/** Structs that hold pointers overload this. */
template <typename T>
void VisitPointers(const T& argument, const PointerVisitor& visitor) {
  if constexpr (std::is_pointer_v<T>) visitor(DescribePointer(argument));
}

template <typename T>
Parameter DescribeParameter() {
  return {sizeof(T), [](const void* argument, const PointerVisitor& visitor) {
            VisitPointers(*static_cast<const T*>(argument), visitor);
          }};
}

template <auto Function>
struct KernelCaller;

template <typename... Parameters, void (*Function)(Parameters...)>
struct KernelCaller<Function> {
  template <size_t... I>
  static void CallWith(void* const* arguments, std::index_sequence<I...>) {
    Function(*static_cast<std::remove_reference_t<Parameters>*>(arguments[I])...);
  }
  static void Call(void* const* arguments) { CallWith(arguments, std::index_sequence_for<Parameters...>{}); }
  static Kernel Describe(const char* name) { return {name, {DescribeParameter<Parameters>()...}, Call}; }
};

}  // namespace simulation
