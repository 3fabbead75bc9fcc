// espalier-tokenize-lines FOLDER: reads JSON values, one a line, and prints their token ids, one
// list a line. A string is tokenized without special tokens; [a, max] and [a, b, max] are encoded
// with them.
#include <iostream>
#include <string>

#include "core/base/options.h"
#include "core/text/tokenizer.h"

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
  for (std::string line; std::getline(std::cin, line);) {
    const espalier::Json value = espalier::Json::parse(line);
    if (value.is_string()) {
      std::cout << espalier::Json((*tokenizer)->tokenize(value.get<std::string>())) << "\n";
      continue;
    }
    const bool has_pair = value.size() == 3;
    const std::string pair = has_pair ? value[1].get<std::string>() : "";
    const auto encoding =
        (*tokenizer)->encode(value[0].get<std::string>(), pair, has_pair, value.back().get<int>());
    std::cout << espalier::Json({encoding.ids, encoding.types}) << "\n";
  }
  return 0;
}
