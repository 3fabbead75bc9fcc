// How a BERT tokenizer treats text before it looks words up.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace espalier {

struct BertSettings {
  bool clean = true;    // drop control characters, all white space becomes a space
  bool pad_cjk = true;  // every CJK ideograph is a word
  bool strip_accents = true;
  bool lower_case = true;
};

// From tokenizer.json, overridden by what tokenizer_config.json says; neither: as
// bert-base-uncased. INVALID_ARGUMENT for a tokenizer that is not BERT's WordPiece.
absl::StatusOr<BertSettings> read_bert_settings(const std::string& folder);

}  // namespace espalier
