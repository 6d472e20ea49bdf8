// What a CUDA compiler gives a kernel beyond C++, for a host compiler: qualifiers, built-in variables, the
// barrier.
// Invariant: included before kernels.cu and nowhere else; what kernels use and is not here fails to compile.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include "fibers.h"

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __restrict__ __restrict
#define __launch_bounds__(...)
// A host thread runs one block at a time.
#define __shared__ static thread_local

#define threadIdx (::simulation::place.thread)
#define blockIdx (::simulation::place.block)
#define blockDim (::simulation::place.block_dim)
#define gridDim (::simulation::place.grid_dim)

inline void __syncthreads() {
  simulation::WaitForBlock();
}

using std::max;
using std::min;
