// Embeds the file of images and finds one in it.
// Invariant: the file is read in place, never copied.
#include "cuda/kernel_images.h"

#include <cstdint>
#include <cstring>

#include "core/error.h"

// ALEXNET_KERNEL_IMAGES is the path of the file, in quotes.
asm(".pushsection .rodata\n"
    ".balign 64\n"
    ".globl alexnet_kernel_images\n"
    ".hidden alexnet_kernel_images\n"
    "alexnet_kernel_images:\n"
    ".incbin \"" ALEXNET_KERNEL_IMAGES
    "\"\n"
    ".byte 0\n"
    ".popsection\n");
extern "C" const unsigned char alexnet_kernel_images[];

namespace alexnet::cuda {
namespace {

struct Entry {
  uint32_t architecture, is_ptx, offset, size;
};

}  // namespace

const void* KernelImageFor(int major, int minor) {
  const auto device = static_cast<uint32_t>(major * 10 + minor);
  uint32_t count = 0;
  std::memcpy(&count, alexnet_kernel_images, sizeof count);
  Entry best = {0, 0, 0, 0};
  for (uint32_t i = 0; i < count; ++i) {
    Entry entry;
    std::memcpy(&entry, alexnet_kernel_images + sizeof count + i * sizeof entry, sizeof entry);
    // Machine code runs on its own generation from its minor version on; PTX on everything later.
    const bool runs = entry.architecture <= device &&
                      (entry.is_ptx != 0 || entry.architecture / 10 == static_cast<uint32_t>(major));
    const bool better = best.size == 0 || (best.is_ptx != 0 && entry.is_ptx == 0) ||
                        (best.is_ptx == entry.is_ptx && entry.architecture > best.architecture);
    if (runs && better) best = entry;
  }
  if (best.size == 0) {
    throw Error(ErrorCode::kUnsupported, Message("the GPU has compute capability ", major, ".", minor,
                                                 "; 7.5 (Turing) or later is needed. Use the 'cpu' device"));
  }
  return alexnet_kernel_images + best.offset;
}

}  // namespace alexnet::cuda
