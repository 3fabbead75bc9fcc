#include "server/serving/context_tokens.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

// Where the context begins; the row's end where nothing tells. RoBERTa has two separators there.
auto context_begin(const Input& input, int32_t separator) {
  const auto typed =
      std::find_if(input.types.begin(), input.types.end(), [](int32_t type) { return type != 0; });
  if (typed != input.types.end()) return typed - input.types.begin();
  const auto first = std::find(input.ids.begin(), input.ids.end(), separator);
  const auto begin =
      std::find_if(first, input.ids.end(), [&](int32_t id) { return id != separator; });
  return begin - input.ids.begin();
}

}  // namespace

absl::StatusOr<std::vector<Span>> context_tokens(const Input& input,
                                                 const runtime::ModelInfo& info) {
  const auto begin = static_cast<int32_t>(context_begin(input, info.separator_id));
  auto end = static_cast<int32_t>(input.ids.size());
  if (end > 0 && input.ids.back() == info.separator_id) --end;
  if (begin == 0 || begin >= end) {
    return absl::InvalidArgumentError(absl::StrCat(
        "nothing tells the context from its question; put the separator (id ", info.separator_id,
        ") between them",
        info.token_types > 1 ? ", or send token_type_ids, 0 to the question and 1 to the context"
                             : ""));
  }
  std::vector<Span> out(input.ids.size(), {-1, -1});
  for (int32_t token = begin; token < end; ++token)
    out[static_cast<size_t>(token)] = {token, token + 1};
  return out;
}

}  // namespace espalier::server
