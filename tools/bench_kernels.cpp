#include "tools/bench_kernels.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/io/file.h"
#include "kernels/error.h"
#include "kernels/stream.h"
#include "tools/process.h"
#include "tools/versions.h"

namespace basin {
namespace {

using Json = nlohmann::json;

// One benchmark as it was measured.
struct Measured {
  std::string name;
  int threads;
  double seconds, bytes_per_second, flops_per_second;
  double bytes() const { return bytes_per_second * seconds; }
  double flops() const { return flops_per_second * seconds; }
};

Measured measured(const Json& row) {
  Measured m{row.at("name"), 1, 0, row.value("bytes_per_second", 0.0), row.value("flops", 0.0)};
  const std::string unit = row.at("time_unit");
  const double scale = unit == "ns" ? 1e-9 : unit == "us" ? 1e-6 : unit == "ms" ? 1e-3 : 1;
  m.seconds = scale * row.at("real_time").get<double>();
  if (const size_t at = m.name.find("threads:"); at != std::string::npos) {
    m.threads = std::stoi(m.name.substr(at + 8));
  }
  return m;
}

// The least time that a kernel's bytes and flops take on this machine, with as many threads: bytes
// at the triad's rate on a working set of about their size, flops at the matrix product's.
class Ceilings {
 public:
  explicit Ceilings(const std::vector<Measured>& all) {
    for (const Measured& m : all) {
      if (m.name.starts_with("ceiling_triad") || m.name.starts_with("cuda_copy"))
        triads_.push_back(m);
      if (m.name.starts_with("ceiling_product")) products_.push_back(m);
    }
  }
  double seconds(const Measured& m) const {
    double memory = 0, arithmetic = 0, nearest = INFINITY;
    for (const Measured& t : triads_) {
      const double distance = std::abs(std::log(t.bytes() / std::max(m.bytes(), 1.0)));
      if (t.threads != m.threads || distance >= nearest) continue;
      nearest = distance;
      memory = m.bytes() / t.bytes_per_second;
    }
    for (const Measured& p : products_) {
      if (p.threads == m.threads) arithmetic = m.flops() / p.flops_per_second;
    }
    return std::max(memory, arithmetic);
  }

 private:
  std::vector<Measured> triads_, products_;
};

// Where the programs were built, or were carried to.
const char* bench_folder() {
  const char* carried = std::getenv("BASIN_BENCH_FOLDER");
  return carried != nullptr ? carried : BASIN_BENCH_FOLDER;
}

// Runs the program; its output is `json`.
void run_program(const KernelBenchOptions& o, const std::string& json) {
  const std::string program =
      std::string(bench_folder()) + (o.on_cuda() ? "/cuda_bench" : "/kernels_bench");
  BASIN_CHECK(std::filesystem::exists(program), "bench kernels",
              "found no {}, expected the benchmarks to be built: cmake --build --preset release",
              program);
  const std::string filter = std::string(o.on_cuda() ? "^cuda_copy|" : "^ceiling|") + o.filter;
  setenv("OMP_WAIT_POLICY", "passive", 0);  // of that program
  if (!run_silently({program, "--benchmark_filter=" + filter,
                     fmt::format("--benchmark_min_time={}", o.min_time), "--benchmark_out=" + json,
                     "--benchmark_out_format=json"})) {
    fail_run("bench kernels", "{} did not run to its end", program);
  }
}

}  // namespace

int run_kernel_bench(const KernelBenchOptions& o) {
  const std::filesystem::path own =
      std::filesystem::temp_directory_path() / fmt::format("basin-bench-{}.json", getpid());
  const std::string path = o.json.empty() ? own.string() : o.json;
  run_program(o, path);
  const Json all = Json::parse(read_text_file(path), nullptr, false);
  if (o.json.empty()) std::filesystem::remove(own);
  BASIN_CHECK(all.is_object() && all.contains("benchmarks"), path,
              "found no output of Google Benchmark");
  std::vector<Measured> rows;
  for (const Json& row : all["benchmarks"]) rows.push_back(measured(row));
  BASIN_CHECK(std::any_of(rows.begin(), rows.end(),
                          [](const Measured& m) { return !m.name.starts_with("ceiling"); }),
              "--filter", "found no kernel that matches '{}'", o.filter);
  const Ceilings ceilings(rows);
  fmt::print(
      "kernels on {}; share: the time that their bytes or flops take at the ceilings\n{}\n",
      o.on_cuda() ? cuda_device_description(0) : processor(),
      o.on_cuda() ? "(a copy of as many bytes)\n" : "(above 1 where Winograd saves products)\n");
  fmt::print("{:>11} {:>8} {:>9} {:>6}  kernel\n", "us", "GB/s", "GFLOP/s", "share");
  for (const Measured& m : rows) {
    fmt::print("{:>11.2f} {:>8.1f} {:>9.1f} {:>6.2f}  {}\n", 1e6 * m.seconds,
               m.bytes_per_second / 1e9, m.flops_per_second / 1e9, ceilings.seconds(m) / m.seconds,
               m.name);
  }
  return 0;
}

}  // namespace basin
