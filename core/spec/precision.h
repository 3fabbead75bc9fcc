// The number formats in which matrix products can be computed and weights published.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace espalier {

enum class Precision { kFp32, kBf16, kInt8 };

const char* precision_name(Precision precision);  // "int8"
std::optional<Precision> precision_named(std::string_view name);
std::string known_precisions();  // "fp32, bf16, int8"

// Training multiplies in fp32 or bf16: gradients go through both, and through no integer.
bool can_train(Precision precision);
std::string trained_precisions();  // "fp32, bf16"

}  // namespace espalier
