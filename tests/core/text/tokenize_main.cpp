// espalier-tokenize-lines FOLDER: reads JSON values, one a line, and answers each with a line.
//   "a"                           ids without special tokens
//   [a, max], [a, b, max]         [ids, types], encoded
//   {"text": a}, {"word": a}      [ids, offsets] of tokenize and tokenize_word
//   {"join": [a] or [a, b]}       [ids, first_begin, second_begin]
//   {"specials": true}            {pad, unknown, first, separator, mask, vocabulary, added}
#include <iostream>
#include <string>

#include "core/base/options.h"
#include "core/text/tokenizer.h"

namespace {

using espalier::Json;
using espalier::Tokenizer;

Json with_offsets(const Tokenizer& tokenizer, const Json& asked) {
  const bool is_word = asked.contains("word");
  const std::string text = asked.at(is_word ? "word" : "text").get<std::string>();
  std::vector<espalier::Span> offsets;
  Json ids = is_word ? tokenizer.tokenize_word(text, &offsets) : tokenizer.tokenize(text, &offsets);
  Json places = Json::array();
  for (const auto& [begin, end] : offsets) places.push_back(Json::array({begin, end}));
  return Json::array({ids, places});
}

Json joined(const Tokenizer& tokenizer, const Json& texts) {
  const bool has_pair = texts.size() == 2;
  const auto a = tokenizer.tokenize(texts[0].get<std::string>());
  const auto b =
      has_pair ? tokenizer.tokenize(texts[1].get<std::string>()) : std::vector<int32_t>();
  const espalier::Encoding out = tokenizer.join(a, b, has_pair);
  return Json::array({out.ids, out.first_begin, out.second_begin});
}

Json specials(const Tokenizer& tokenizer) {
  const espalier::SpecialTokens found = tokenizer.specials();
  return {{"pad", found.pad},
          {"unknown", found.unknown},
          {"first", found.first},
          {"separator", found.separator},
          {"mask", found.mask},
          {"vocabulary", tokenizer.vocabulary()},
          {"added", {tokenizer.added_tokens(false), tokenizer.added_tokens(true)}}};
}

Json encoded(const Tokenizer& tokenizer, const Json& asked) {
  const bool has_pair = asked.size() == 3;
  const std::string pair = has_pair ? asked[1].get<std::string>() : "";
  const espalier::Encoding out =
      tokenizer.encode(asked[0].get<std::string>(), pair, has_pair, asked.back().get<int>());
  return Json::array({out.ids, out.types});
}

Json answer(const Tokenizer& tokenizer, const Json& asked) {
  if (asked.is_string()) return tokenizer.tokenize(asked.get<std::string>());
  if (asked.is_array()) return encoded(tokenizer, asked);
  if (asked.contains("join")) return joined(tokenizer, asked["join"]);
  if (asked.contains("specials")) return specials(tokenizer);
  return with_offsets(tokenizer, asked);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: espalier-tokenize-lines FOLDER < lines.json\n";
    return 2;
  }
  auto tokenizer = espalier::load_tokenizer(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  std::ios::sync_with_stdio(false);
  for (std::string line; std::getline(std::cin, line);)
    std::cout << answer(**tokenizer, Json::parse(line)) << "\n";
  return 0;
}
