#include "core/job/constraint.h"

#include "absl/strings/str_cat.h"

namespace espalier {
namespace {

// "; in fp32 the drop would be 0.2, so the precision int8 is to blame"; empty for fp32 itself.
std::string blame_of(const MetricDrop& drop) {
  if (drop.precision == Precision::kFp32) return "";
  const bool already = !drop.holds_in_fp32();
  return absl::StrCat("; in fp32 the drop would be ", drop.drop_in_fp32,
                      already ? " already"
                              : absl::StrCat(", so the precision ", precision_name(drop.precision),
                                             " is to blame"));
}

std::string advice_for(const MetricDrop& drop) {
  if (drop.precision != Precision::kFp32 && drop.holds_in_fp32()) {
    return absl::StrCat("ask for the precision ",
                        drop.precision == Precision::kInt8 ? "bf16 or fp32" : "fp32");
  }
  std::string out;
  if (drop.prunes) absl::StrAppend(&out, "ask for less to be pruned, ");
  if (drop.exits) absl::StrAppend(&out, "let the exits cost less (calibration.max_metric_drop), ");
  return out + "train longer";
}

}  // namespace

Json MetricDrop::to_json() const {
  return {{"metric", metric}, {"before", before}, {"after", after},  {"drop", drop()},
          {"low", low},       {"high", high},     {"holds", holds()}};
}

absl::Status check_drop(const MetricDrop& drop) {
  if (drop.holds()) return absl::OkStatus();
  const std::string surely =
      drop.confidence > 0
          ? absl::StrCat("; its interval at a confidence of ", drop.confidence, " goes from ",
                         drop.low, " to ", drop.high, ", all of which has to hold")
          : "";
  return absl::FailedPreconditionError(absl::StrCat(
      "the constraint is broken: ", drop.metric, " on the ", drop.split, " split fell from ",
      drop.before, " to ", drop.after, ", by ", drop.drop(), " points where at most ", drop.allowed,
      " were allowed", surely, blame_of(drop), "; ", advice_for(drop), ", or allow more"));
}

}  // namespace espalier
