// A function compiled once for each instruction set.
// Invariant: it computes the same but for the rounding of fused multiplications and additions.
#pragma once

// Chosen at load time by the CPU's features. Not in sanitizer builds: resolvers run before their runtime is
// up.
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__)
#define ALEXNET_EVERY_ISA __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define ALEXNET_EVERY_ISA
#endif
