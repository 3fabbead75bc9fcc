#include "core/spec/weight_values.h"

#include <cstdint>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

// NaN and infinity have all bits of the exponent set; NaN has others below them. The data of a
// stranger's file need not be aligned, so each value is copied out.
template <class Bits>
absl::Status check_values(const std::string& name, const TensorInfo& info, const std::byte* data,
                          Bits exponent, Bits sign) {
  const uint64_t count = (info.end - info.begin) / sizeof(Bits);
  for (uint64_t i = 0; i < count; ++i) {
    Bits value;
    std::memcpy(&value, data + i * sizeof(Bits), sizeof(Bits));
    if ((value & exponent) != exponent) continue;
    const bool infinite = static_cast<Bits>(value & ~sign) == exponent;
    return absl::InvalidArgumentError(absl::StrCat(
        "tensor ", name, " holds ", infinite ? "infinity" : "NaN", " as value ", i + 1, " of ",
        count, "; weights must be finite numbers",
        infinite && info.dtype == "F16" ? ", and F16 ends at 65504: save them as BF16 or F32"
                                        : ""));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status check_finite(const std::string& name, const TensorInfo& info, const std::byte* data) {
  if (info.dtype == "F32")
    return check_values<uint32_t>(name, info, data, 0x7F800000u, 0x80000000u);
  if (info.dtype == "F16") return check_values<uint16_t>(name, info, data, 0x7C00, 0x8000);
  if (info.dtype == "BF16") return check_values<uint16_t>(name, info, data, 0x7F80, 0x8000);
  return absl::OkStatus();
}

}  // namespace espalier
