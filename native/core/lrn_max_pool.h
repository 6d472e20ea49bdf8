// Response normalisation and max pooling as one op, for backends and shapes without a kernel for both.
// Invariant: gives what the ops it is made of give one after another.
#pragma once

#include "core/backend.h"

namespace alexnet {

/** Runs lrnMaxPool2dForward as lrnForward and maxPool2dForward. */
void SplitLrnMaxPool2dForward(Backend& backend, const OpCall& call);

/** Runs lrnMaxPool2dBackward as maxPool2dBackward, lrnBackward and, if it has `relu`, reluBackward. */
void SplitLrnMaxPool2dBackward(Backend& backend, const OpCall& call);

}  // namespace alexnet
