// The one exception type of the native side.
// Invariant: nothing below the addon aborts, exits or prints; whatever fails throws an Error or a
// std::exception.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace alexnet {

enum class ErrorCode { kNative, kOutOfMemory, kUnsupported };

/** The code as JavaScript sees it; see lib/errors.ts. */
inline const char* ToString(ErrorCode code) {
  switch (code) {
    case ErrorCode::kOutOfMemory:
      return "ERR_OUT_OF_MEMORY";
    case ErrorCode::kUnsupported:
      return "ERR_UNSUPPORTED";
    case ErrorCode::kNative:
      break;
  }
  return "ERR_NATIVE";
}

class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ErrorCode code() const { return code_; }

 private:
  ErrorCode code_;
};

/** Joins its arguments into one message: Message("got ", 3, " inputs"). */
template <typename... Parts>
std::string Message(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

template <typename... Parts>
void Check(bool condition, const Parts&... parts) {
  if (!condition) throw Error(ErrorCode::kNative, Message(parts...));
}

}  // namespace alexnet
