// Changes of a JSON document, value by value, so that what comes out is still JSON.
#pragma once

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "core/base/random.h"

namespace espalier::fuzz {

// One to four changes anywhere in it: a value replaced, dropped, doubled, renamed, nested, put
// where another was.
void mutate_json(nlohmann::json& json, std::span<const std::string> words, Random& random);

}  // namespace espalier::fuzz
