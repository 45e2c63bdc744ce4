// `basin bench kernels`: every kernel alone, beside what the machine can do at most.
#pragma once

#include <string>

namespace basin {

struct KernelBenchOptions {
  std::string filter = ".";    // a regular expression on the benchmarks' names
  std::string json;            // a file for Google Benchmark's own output
  double min_time = 0.05;      // seconds a benchmark
  std::string device = "cpu";  // or cuda: the first GPU
  bool on_cuda() const { return device == "cuda"; }
};

// Runs the program bench/kernels_bench, or bench/cuda_bench, and prints a table. Returns the exit
// code.
int run_kernel_bench(const KernelBenchOptions& options);

}  // namespace basin
