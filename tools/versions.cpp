#include "tools/versions.h"

#include <dnnl.h>
#include <fmt/format.h>
#include <zlib.h>

#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "kernels/simd.h"

namespace basin {

std::string library_versions() {
  const dnnl_version_t* v = dnnl_version();
  return fmt::format("oneDNN {}.{}.{}, zlib {}, fmt {}.{}, g++ {}", v->major, v->minor, v->patch,
                     zlibVersion(), FMT_VERSION / 10000, FMT_VERSION / 100 % 100, __VERSION__);
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

nlohmann::ordered_json measurement_context(int threads, const std::string& command) {
  const std::time_t now = std::time(nullptr);
  char date[32];
  std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
  return {{"processor", processor()},
          {"instruction_set", cpu::instruction_set()},
          {"libraries", library_versions()},
          {"threads", threads},
          {"date", date},
          {"command", command}};
}

}  // namespace basin
