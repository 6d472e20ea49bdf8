// What the compiler's static C++ library expects of a newer glibc than the one that is linked against.
// Invariant: nothing here is visible outside the addon.
#include <sys/stat.h>

extern "C" {
// glibc 2.32 says here whether there are threads yet. "Perhaps" is always right: atomic operations are used.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;

// glibc 2.33 has it by this name; before, headers made it of another function, which all versions still have.
int __fxstat64(int version, int descriptor, struct stat64* status);
__attribute__((visibility("hidden"))) int fstat64(int descriptor, struct stat64* status) noexcept {
  constexpr int kVersion = 1;  // of struct stat64, on 64-bit x86
  return __fxstat64(kVersion, descriptor, status);
}
}
