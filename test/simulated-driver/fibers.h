// Runs the threads of one block of a kernel as fibers of one host thread, which switch where they wait for
// each other.
// Invariant: between two barriers a block's threads run one after another, each until it waits or ends.
#pragma once

#include <functional>

namespace simulation {

struct Index3 {
  unsigned x = 0, y = 0, z = 0;
};

/** What the running thread is told of itself by the language. */
struct ThreadPlace {
  Index3 thread, block, block_dim, grid_dim;
};

extern thread_local ThreadPlace place;

/** Waits for all threads of the block that have not ended: __syncthreads. */
void WaitForBlock();

/** Runs `body` once for each thread of the block that `place` describes. */
void RunBlock(const std::function<void()>& body);

}  // namespace simulation
