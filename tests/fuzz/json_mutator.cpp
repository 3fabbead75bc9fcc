#include "tests/fuzz/json_mutator.h"

#include <vector>

#include "tests/fuzz/byte_mutator.h"

namespace espalier::fuzz {
namespace {

using Json = nlohmann::json;

constexpr size_t kMostValues = 2000, kDeepNest = 300;

void collect(Json& json, std::vector<Json*>& all) {
  if (all.size() > kMostValues) return;
  all.push_back(&json);
  if (!json.is_structured()) return;
  for (Json& value : json) collect(value, all);
}

std::string word_of(std::span<const std::string> words, Random& random) {
  return words.empty() ? "" : any_of(words, random);
}

Json any_value(std::span<const std::string> words, Random& random) {
  switch (random.below(9)) {
    case 0:
      return nullptr;
    case 1:
      return random.below(2) == 0;
    case 2:
      return edge_number(random);
    case 3:
      return random.next();
    case 4:
      return random.uniform() * 2 - 0.5;
    case 5:
      return Json::array();
    case 6:
      return Json::object();
    case 7:
      return static_cast<int64_t>(random.below(20));
    default:
      return word_of(words, random);
  }
}

// Of an object or array, at a place in it.
void change_within(Json& json, std::span<const std::string> words, Random& random) {
  if (json.is_array()) {
    if (json.empty() || random.below(3) == 0) return json.push_back(any_value(words, random));
    const size_t at = random.below(json.size());
    if (random.below(2) == 0) return json.erase(at);
    const Json copy = json[at];
    return json.push_back(copy);
  }
  if (json.empty() || random.below(3) == 0) {
    json[word_of(words, random)] = any_value(words, random);
    return;
  }
  auto entry = json.begin();
  std::advance(entry, random.below(json.size()));
  const Json value = entry.value();
  if (random.below(3) != 0) json.erase(entry);
  if (random.below(2) == 0) json[word_of(words, random)] = value;
}

void nest(Json& json, Random& random) {
  const size_t depth = random.below(8) == 0 ? kDeepNest : 1 + random.below(3);
  for (size_t i = 0; i < depth; ++i) {
    Json inner = std::move(json);
    json = Json::array({std::move(inner)});
  }
}

void change_one(Json& json, std::span<const std::string> words, Random& random) {
  std::vector<Json*> all;
  collect(json, all);
  Json& chosen = *any_of(all, random);
  const uint64_t what = random.below(8);
  if (what == 0) return nest(chosen, random);
  if (what == 1) {
    Json copy = *any_of(all, random);
    chosen = std::move(copy);
    return;
  }
  if (what < 5 && chosen.is_structured()) return change_within(chosen, words, random);
  // The whole document seldom: most of what is tried is to get further.
  if (&chosen == &json && random.below(8) != 0) return change_within(chosen, words, random);
  chosen = any_value(words, random);
}

}  // namespace

void mutate_json(Json& json, std::span<const std::string> words, Random& random) {
  for (uint64_t changes = 1 + random.below(4); changes > 0; --changes) {
    if (!json.is_structured()) json = Json::object();
    change_one(json, words, random);
  }
}

}  // namespace espalier::fuzz
