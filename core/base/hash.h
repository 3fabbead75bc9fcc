// SHA-256 (OpenSSL) and CRC-32C.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace espalier {

// Running SHA-256; hex() ends it.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  void update(const void* data, size_t size);
  void update(std::string_view data) { update(data.data(), data.size()); }
  // 64 lower-case hex digits.
  std::string hex();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

std::string sha256_hex(std::string_view data);
absl::StatusOr<std::string> sha256_of_file(const std::string& path);
// Castagnoli polynomial; `crc` continues a previous value, 0 starts.
uint32_t crc32c(std::string_view data, uint32_t crc = 0);

}  // namespace espalier
