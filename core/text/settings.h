// What a model folder says about its tokenizer.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/text/added_tokens.h"
#include "core/text/bpe.h"
#include "core/text/vocabulary.h"
#include "core/text/wordpiece.h"

namespace espalier {

// The tokenizer's JSON files; null where a file is not there.
struct TokenizerFiles {
  std::string folder;
  Json whole;   // tokenizer.json
  Json config;  // tokenizer_config.json
  Json names;   // special_tokens_map.json
  Json added;   // added_tokens.json
};
absl::StatusOr<TokenizerFiles> read_tokenizer_files(const std::string& folder);

// How the special tokens are written and stand around texts where no file says it.
enum class TokenizerFamily {
  kBert,     // DistilBERT and ELECTRA too
  kMpnet,    // WordPiece with <s> and </s>
  kRoberta,  // byte-level BPE
};

struct SpecialNames {
  std::string pad, unknown, first, separator, mask;
};

// The functions below read tokenizer.json (where there is one) and what tokenizer_config.json
// overrides. INVALID_ARGUMENT for what this build would not do as Hugging Face does.

// From the model's type, or from the vocabulary's files; `vocabulary` is not needed for that.
absl::StatusOr<bool> uses_byte_level_bpe(const TokenizerFiles& files);
TokenizerFamily tokenizer_family(const TokenizerFiles& files, const Vocabulary& vocabulary,
                                 bool is_bpe);
absl::StatusOr<WordPieceSettings> read_wordpiece_settings(const TokenizerFiles& files);
absl::StatusOr<BpeSettings> read_bpe_settings(const TokenizerFiles& files);
// From tokenizer_config.json or special_tokens_map.json, or as the family has them.
SpecialNames read_special_names(const TokenizerFiles& files, TokenizerFamily family);
// added_tokens of tokenizer.json, or of tokenizer_config.json, or the special tokens by their
// names. A token that the vocabulary has keeps the id that it has there.
absl::StatusOr<std::vector<AddedToken>> read_added_tokens(const TokenizerFiles& files,
                                                          const Vocabulary& vocabulary,
                                                          TokenizerFamily family);

}  // namespace espalier
