// The tokenizer's files of a model folder, as far as the embedding must fit them. Which kind of
// tokenizer they make is core/text's business.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace espalier {

// What a tokenizer may consist of: copied as they came.
inline constexpr const char* kTokenizerFiles[] = {"vocab.txt",
                                                  "vocab.json",
                                                  "merges.txt",
                                                  "tokenizer.json",
                                                  "added_tokens.json",
                                                  "tokenizer_config.json",
                                                  "special_tokens_map.json"};

// Those that are in folder `from`, into folder `to`.
absl::Status copy_tokenizer_files(const std::string& from, const std::string& to);

// At least one of vocab.txt, tokenizer.json, vocab.json with merges.txt is there, and each that is
// has no id beyond the embedding's `rows`.
absl::Status check_tokenizer_files(const std::string& folder, int rows);

}  // namespace espalier
