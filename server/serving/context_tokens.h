// Which tokens of a question, sent as ids, are of its context.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "core/runtime/engine.h"

namespace espalier::server {

// Features::places of a row of ids: a token of the context has its own place, counted in tokens;
// elsewhere begin is -1. The context is what has token types that are not 0, where there are any,
// else what stands behind the first separators; a separator at the end of the row belongs to
// neither. INVALID_ARGUMENT where that leaves no question or no context.
absl::StatusOr<std::vector<Span>> context_tokens(const Input& input,
                                                 const runtime::ModelInfo& info);

}  // namespace espalier::server
