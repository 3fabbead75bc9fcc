// A bound on what an answer holds: tensors have room for the longest row in every row, so that a
// small request could ask for more than there is memory.
#pragma once

#include <span>

#include "absl/status/status.h"
#include "core/runtime/engine.h"
#include "server/serving/answer_text.h"
#include "server/serving/tensors.h"

namespace espalier::server {

// Numbers of one tensor, 256 MiB; more than clients of gRPC take in one message.
inline constexpr int64_t kMaxAnswerNumbers = int64_t{64} << 20;

// Words or tags of the texts of one answer: some hundred bytes each.
inline constexpr int64_t kMaxAnswerWords = int64_t{128} << 10;

// INVALID_ARGUMENT where the outputs asked for are larger, and says how much would fit. `rows` are
// the engine's; `read` says which of them belong to a row of the request, and is empty where each
// is one.
absl::Status check_answer_size(const runtime::ModelInfo& info, std::span<const Output> outputs,
                               std::span<const runtime::Row> rows, std::span<const ReadRow> read);

}  // namespace espalier::server
