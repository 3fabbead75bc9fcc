#include "core/spec/precision.h"

namespace espalier {
namespace {

constexpr Precision kAllPrecisions[] = {Precision::kFp32, Precision::kBf16, Precision::kInt8};

template <class Chosen>
std::string names_where(Chosen&& chosen) {
  std::string out;
  for (const Precision precision : kAllPrecisions) {
    if (!chosen(precision)) continue;
    if (!out.empty()) out += ", ";
    out += precision_name(precision);
  }
  return out;
}

}  // namespace

const char* precision_name(Precision precision) {
  switch (precision) {
    case Precision::kFp32:
      return "fp32";
    case Precision::kBf16:
      return "bf16";
    case Precision::kInt8:
      return "int8";
  }
  return "";
}

std::optional<Precision> precision_named(std::string_view name) {
  for (const Precision precision : kAllPrecisions) {
    if (name == precision_name(precision)) return precision;
  }
  return std::nullopt;
}

std::string known_precisions() {
  return names_where([](Precision) { return true; });
}

bool can_train(Precision precision) { return precision != Precision::kInt8; }

std::string trained_precisions() { return names_where(can_train); }

}  // namespace espalier
