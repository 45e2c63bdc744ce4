#include "engine/io/checksum.h"

#include <fmt/format.h>

#include <openssl/evp.h>

#include "kernels/error.h"

namespace basin {
namespace {

std::string digest(const EVP_MD* method, std::span<const std::byte> data) {
  unsigned char bytes[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  if (EVP_Digest(data.data(), data.size(), bytes, &size, method, nullptr) != 1) {
    fail_run("[checksum]", "EVP_Digest: the library does not offer {}", EVP_MD_get0_name(method));
  }
  return fmt::format("{:02x}", fmt::join(bytes, bytes + size, ""));
}

}  // namespace

std::string sha256(std::span<const std::byte> data) {
  return digest(EVP_sha256(), data);
}
std::string md5(std::span<const std::byte> data) {
  return digest(EVP_md5(), data);
}

}  // namespace basin
