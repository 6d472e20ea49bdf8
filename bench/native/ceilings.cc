// What this machine can do at most: the largest matrix products and copies, by oneDNN and OpenMP alone.
// Invariant: prints a line "name value" for each, the best of several runs. Usage: ceilings THREADS
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <unordered_map>

#include "dnnl.hpp"

namespace {

constexpr int kRuns = 7;

/** Seconds of the fastest of several runs, after one that is not counted. */
template <typename Work>
double Fastest(const Work& work) {
  work();
  double best = 1e30;
  for (int i = 0; i < kRuns; ++i) {
    const auto start = std::chrono::steady_clock::now();
    work();
    best = std::min(best,
                    std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return best;
}

/**
 * Thousands of millions of operations a second of an n x n x n product whose operands lie as oneDNN wants them; 0 if the
 * types are not supported. The result is of the left operand's type.
 */
double MatrixProduct(dnnl::engine& engine, dnnl::memory::data_type left, dnnl::memory::data_type right) {
  using dnnl::memory;
  constexpr memory::dim kSize = 4096;
  try {
    const memory::desc x({kSize, kSize}, left, memory::format_tag::any), w({kSize, kSize}, right, memory::format_tag::any);
    const dnnl::matmul::primitive_desc description(engine, x, w, x);
    memory a(description.src_desc(), engine);
    memory b(description.weights_desc(), engine);
    memory c(description.dst_desc(), engine);
    for (memory* operand : {&a, &b, &c}) {
      std::memset(operand->get_data_handle(), 0, operand->get_desc().get_size());
    }
    dnnl::stream stream(engine);
    const dnnl::matmul product(description);
    const double seconds = Fastest([&] {
      product.execute(stream, {{DNNL_ARG_SRC, a}, {DNNL_ARG_WEIGHTS, b}, {DNNL_ARG_DST, c}});
      stream.wait();
    });
    const auto size = static_cast<double>(kSize);
    return 2 * size * size * size / seconds / 1e9;
  } catch (const dnnl::error&) {
    return 0;
  }
}

/** GB/s, read and written bytes together, of a copy by all threads. */
double Copy(size_t bytes) {
  const auto words = static_cast<std::ptrdiff_t>(bytes / sizeof(double));
  const std::unique_ptr<double[]> source(new double[words]);
  const std::unique_ptr<double[]> target(new double[words]);
#pragma omp parallel for schedule(static)
  for (std::ptrdiff_t i = 0; i < words; ++i) source[i] = target[i] = 1;
  const double seconds = Fastest([&] {
#pragma omp parallel
    {
      const std::ptrdiff_t part = words / omp_get_num_threads();
      const std::ptrdiff_t begin = part * omp_get_thread_num();
      std::memcpy(target.get() + begin, source.get() + begin, part * sizeof(double));
    }
  });
  return 2 * static_cast<double>(bytes) / seconds / 1e9;
}

#if defined(__x86_64__) && defined(__GNUC__)
__attribute__((target_clones("avx512f", "avx2", "default")))
#endif
uint64_t
Sum(const uint64_t* values, std::ptrdiff_t count) {
  constexpr std::ptrdiff_t kSums = 16;
  uint64_t sums[kSums] = {};
  for (std::ptrdiff_t i = 0; i + kSums <= count; i += kSums) {
    for (std::ptrdiff_t j = 0; j < kSums; ++j) sums[j] += values[i + j];
  }
  uint64_t total = 0;
  for (const uint64_t sum : sums) total += sum;
  return total;
}

/** GB/s of reading memory once, by all threads. */
double Read(size_t bytes) {
  const auto words = static_cast<std::ptrdiff_t>(bytes / sizeof(uint64_t));
  const std::unique_ptr<uint64_t[]> source(new uint64_t[words]);
#pragma omp parallel for schedule(static)
  for (std::ptrdiff_t i = 0; i < words; ++i) source[i] = 1;
  uint64_t total = 0;
  const double seconds = Fastest([&] {
    uint64_t sum = 0;
#pragma omp parallel reduction(+ : sum)
    {
      const std::ptrdiff_t part = words / omp_get_num_threads();
      sum += Sum(source.get() + part * omp_get_thread_num(), part);
    }
    total += sum;
  });
  // The sum is looked at, so that it is made.
  return total == 0 ? 0 : static_cast<double>(bytes) / seconds / 1e9;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1) omp_set_num_threads(std::atoi(argv[1]));
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  using Type = dnnl::memory::data_type;
  std::printf("float32GFlops %.1f\n", MatrixProduct(engine, Type::f32, Type::f32));
  std::printf("bfloat16GFlops %.1f\n", MatrixProduct(engine, Type::bf16, Type::bf16));
  std::printf("int8GOps %.1f\n", MatrixProduct(engine, Type::u8, Type::s8));
  std::printf("copyGBps %.2f\n", Copy(size_t{512} << 20));
  std::printf("readGBps %.2f\n", Read(size_t{512} << 20));
  return 0;
}
