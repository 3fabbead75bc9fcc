// espalier-bench-tokenizer FOLDER FILE MAX_LENGTH: encodes every line of FILE once for each line on
// stdin and answers with {"seconds", "texts", "tokens"}. The caller takes turns with what it is
// compared with, so that both see the same machine.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

#include "core/base/options.h"
#include "core/text/tokenizer.h"

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: espalier-bench-tokenizer FOLDER FILE MAX_LENGTH < rounds\n";
    return 2;
  }
  auto tokenizer = espalier::load_tokenizer(argv[1]);
  if (!tokenizer.ok()) {
    std::cerr << tokenizer.status() << "\n";
    return 1;
  }
  std::vector<std::string> texts;
  std::ifstream file(argv[2]);
  for (std::string line; std::getline(file, line);) texts.push_back(std::move(line));
  const int max_length = std::atoi(argv[3]);

  for (std::string round; std::getline(std::cin, round);) {
    // All encodings are kept, as encode_batch_fast keeps them.
    std::vector<espalier::Encoding> out;
    out.reserve(texts.size());
    const auto begin = std::chrono::steady_clock::now();
    for (const std::string& text : texts)
      out.push_back((*tokenizer)->encode(text, "", false, max_length));
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    size_t tokens = 0;
    for (const auto& encoding : out) tokens += encoding.ids.size();
    const espalier::Json answer = {
        {"seconds", seconds.count()}, {"texts", texts.size()}, {"tokens", tokens}};
    std::cout << answer << std::endl;
  }
  return 0;
}
