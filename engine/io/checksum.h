// The sums that data sets are published with, as lower-case hexadecimal text.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace basin {

std::string sha256(std::span<const std::byte> data);
// For sums that are published as MD5 only; no defence against a forger.
std::string md5(std::span<const std::byte> data);

}  // namespace basin
