// Elements of a tensor as REST writes them: in JSON, flat or nested by its shape, and raw, that is
// little-endian and row-major with a BYTES element's length as four bytes before it.
//
// JSON has numbers, booleans and strings, so BYTES there are UTF-8; FP16 and BF16 have no form in
// it at all (Triton's rule). All of them travel raw.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace espalier::server {

// Raw elements of `data`. INVALID_ARGUMENT says what is wrong with it, in words that go on from
// "input X ": the type, the shape or an element.
absl::StatusOr<std::string> raw_from_json(const std::string& datatype,
                                          std::span<const int64_t> shape,
                                          const nlohmann::json& data);

// Appends the raw elements as one flat JSON array: floats in the fewest digits that read back to
// the same number, and null where one is none (JSON has no infinity). INVALID_ARGUMENT, in words
// that go on from "output X ", for what has no form in JSON.
absl::Status append_json(const std::string& datatype, std::string_view raw, std::string& json);

}  // namespace espalier::server
