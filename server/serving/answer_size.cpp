#include "server/serving/answer_size.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

using runtime::Row;

// Lines of logits that a row of the engine is answered with.
int64_t lines_of(Objective objective, const Row& row) {
  if (objective == Objective::kWords) return static_cast<int64_t>(row.input.asked.size());
  return row.input.tokens();
}

// The most lines that a row of the request has, over all its windows.
int64_t most_lines(Objective objective, std::span<const Row> rows, std::span<const ReadRow> read) {
  int64_t most = 0;
  for (size_t i = 0; !rows.empty(); ++i) {
    const size_t windows = i < read.size() ? read[i].windows.size() : 1;
    int64_t lines = 0;
    for (const Row& row : rows.first(windows)) lines += lines_of(objective, row);
    most = std::max(most, lines);
    rows = rows.subspan(windows);
  }
  return most;
}

// Label and answer spell out every mask and every tag.
absl::Status check_words(const runtime::ModelInfo& info, std::span<const Row> rows) {
  const bool words = info.objective == Objective::kWords;
  if (!words && info.objective != Objective::kTokenClasses) return absl::OkStatus();
  int64_t lines = 0;
  for (const Row& row : rows) lines += lines_of(info.objective, row);
  if (lines <= kMaxAnswerWords) return absl::OkStatus();
  const char* line = words ? "masks" : "tokens";
  return with_reason(absl::InvalidArgumentError(absl::StrCat("the answer would spell out ", lines,
                                                             " ", line, "; ", kMaxAnswerWords,
                                                             " in all fit into one: send fewer "
                                                             "rows or shorter ones")),
                     "BAD_OUTPUT", "outputs");
}

}  // namespace

absl::Status check_answer_size(const runtime::ModelInfo& info, std::span<const Output> outputs,
                               std::span<const Row> rows, std::span<const ReadRow> read) {
  ESPALIER_RETURN_IF_ERROR(check_words(info, rows));
  const std::vector<int64_t> sizes = sizes_of_row(info);
  const bool wide = std::any_of(outputs.begin(), outputs.end(), [](Output output) {
    return output_specs()[static_cast<size_t>(output)].wide;
  });
  if (!wide || sizes.size() < 2) return absl::OkStatus();  // one line a row
  const auto count = static_cast<int64_t>(read.empty() ? rows.size() : read.size());
  const int64_t most = most_lines(info.objective, rows, read);
  const int64_t fit = kMaxAnswerNumbers / std::max<int64_t>(sizes.back(), 1);
  if (count * most <= fit) return absl::OkStatus();
  const char* line = info.objective == Objective::kWords ? "masks" : "tokens";
  return with_reason(
      absl::InvalidArgumentError(absl::StrCat(
          "the answer would hold ", sizes.back(), " numbers for each of ", count, " rows x ", most,
          " ", line, ", as many as the longest row has; ", fit, " ", line,
          " in all fit into one: send fewer rows or shorter ones, or ask for label or answer")),
      "BAD_OUTPUT", "outputs");
}

}  // namespace espalier::server
