// cuda.h, less what it makes of names that older drivers know.
// Invariant: every function of driver.def is looked up under a name that the drivers of CUDA 12.0 (525) have.
#pragma once

#include <cuda.h>

// The header means cuEventElapsedTime_v2, which came with CUDA 12.8; the two do the same.
#undef cuEventElapsedTime
extern "C" CUresult CUDAAPI cuEventElapsedTime(float* milliseconds, CUevent start, CUevent end);
