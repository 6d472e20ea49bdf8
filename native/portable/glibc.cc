// What the compiler's static C++ library expects of a newer glibc than the one that is linked against.
// Invariant: nothing here is visible outside the addon.

extern "C" {
// glibc 2.32 says here whether there are threads yet. "Perhaps" is always right: atomic operations are used.
__attribute__((visibility("hidden"))) char __libc_single_threaded = 0;
}
