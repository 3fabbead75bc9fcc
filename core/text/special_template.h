// The special tokens that stand around one text or two.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/text/tokenizer.h"

namespace espalier {

struct TemplatePart {
  enum class Kind { kSpecial, kFirst, kSecond };
  Kind kind = Kind::kSpecial;
  int32_t type = 0;
  int32_t id = -1;  // of a special token
};

struct SpecialTemplate {
  std::vector<TemplatePart> single, pair;

  Encoding join(std::span<const int32_t> first, std::span<const int32_t> second,
                bool has_pair) const;
  int added(bool has_pair) const;
  // The token before the text and the one behind it; -1 where there is none.
  int32_t first() const;
  int32_t separator() const;
};

// [CLS] A [SEP] and [CLS] A [SEP] B [SEP], where B and its [SEP] have type 1.
SpecialTemplate bert_template(int32_t first, int32_t separator);
// <s> A </s> and <s> A </s> </s> B </s>. `second_type` is 0 for RoBERTa; for MPNet `tokenizers`
// says 1 for B and its </s>, which no MPNet model looks at.
SpecialTemplate roberta_template(int32_t first, int32_t separator, int32_t second_type);

// How the offsets of byte-level pieces lose the white space that they begin or end with.
struct OffsetTrim {
  bool on = false;
  bool prefix_space = false;  // a text's first piece begins with a space that is not in the text
};

struct PostProcessor {
  SpecialTemplate around;
  OffsetTrim trim;
};

// post_processor of tokenizer.json: BertProcessing, RobertaProcessing, TemplateProcessing,
// ByteLevel (which adds no token), or a Sequence of them.
absl::StatusOr<PostProcessor> read_post_processor(const Json& json);

}  // namespace espalier
