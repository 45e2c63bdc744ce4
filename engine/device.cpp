#include "engine/device.h"

#include <charconv>

#include "kernels/error.h"

namespace basin {

Device Device::parse(const std::string& text) {
  if (text == "cpu") return cpu();
  if (text == "cuda") return cuda(0);
  if (text.starts_with("cuda:")) {
    int index = -1;
    const char* end = text.data() + text.size();
    const auto [stop, status] = std::from_chars(text.data() + 5, end, index);
    if (status == std::errc() && stop == end && index >= 0) return cuda(index);
  }
  fail("--device", "found '{}', expected cpu, cuda or cuda:N", text);
}

std::string Device::name() const {
  return kind == DeviceKind::Cpu ? "cpu" : fmt::format("cuda:{}", index);
}

Stream Device::stream(int threads, Tf32 tf32) const {
  if (kind == DeviceKind::Cuda) return Stream::cuda(index, tf32);
  BASIN_CHECK(tf32 == Tf32::No, "--tf32", "found it with the device cpu, expected cuda");
  return Stream::cpu(threads);
}

}  // namespace basin
