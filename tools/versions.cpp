#include "tools/versions.h"

#include <dnnl.h>
#include <fmt/format.h>
#include <zlib.h>

#include <fstream>

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

}  // namespace basin
