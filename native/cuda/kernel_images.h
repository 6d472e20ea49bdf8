// The compiled kernels.cu, embedded by the build; build_kernels.py writes the format.
// Invariant: the image chosen is the newest that the device's architecture can run.
#pragma once

namespace alexnet::cuda {

/**
 * What cuModuleLoadData takes for a device of this compute capability: a cubin of its generation, or PTX.
 * @throws Error with kUnsupported for a device older than all images
 */
const void* KernelImageFor(int major, int minor);

}  // namespace alexnet::cuda
