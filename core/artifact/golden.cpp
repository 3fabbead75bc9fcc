#include "core/artifact/golden.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"

namespace espalier {
namespace {

constexpr char kFile[] = "/golden.safetensors";
constexpr int64_t kMaxTokens = 1 << 20;  // of a row
// See slack_between(): times the gap, of which the second must have room; shares of the logits.
constexpr double kSlackFactor = 4, kLeastFactor = 2;
constexpr double kLeastShare = 0.02, kMostShare = 0.5;

using Tensors = std::map<std::string, Tensor>;
using Lists = std::map<std::string, Tensor>;

// Cuts a tensor of all rows' numbers into the rows' own.
class Cuts {
 public:
  explicit Cuts(const Tensor& all) : all_(all) {}  // int64, contiguous
  std::vector<int32_t> next(int64_t count) {
    const int64_t* first = all_.data_ptr<int64_t>() + at_;
    at_ += count;
    return {first, first + count};
  }

 private:
  Tensor all_;
  int64_t at_ = 0;
};

bool are_between(const Tensor& list, int64_t low, int64_t high) {
  if (list.numel() == 0) return true;
  return list.min().item<int64_t>() >= low && list.max().item<int64_t>() <= high;
}

// What the file's lists say, each an int64 [n].
absl::StatusOr<Lists> lists_of(const std::string& folder, const Tensors& tensors) {
  const bool image = tensors.contains("pixels"), asks = tensors.contains("asked_lengths");
  std::vector<const char*> names = {"lengths"};
  if (!image) names.insert(names.end(), {"ids", "types"});
  if (asks) names.insert(names.end(), {"asked", "asked_lengths"});
  Lists out;
  for (const char* name : names) {
    const auto found = tensors.find(name);
    if (found == tensors.end())
      return absl::InvalidArgumentError(absl::StrCat(folder, kFile, " has no tensor ", name));
    if (found->second.dim() != 1)
      return absl::InvalidArgumentError(absl::StrCat(folder, kFile, ": ", name, " is no list"));
    out[name] = found->second.to(at::kLong).contiguous();
  }
  if (!asks) {
    out["asked_lengths"] = at::zeros_like(out["lengths"]);
    out["asked"] = at::zeros({0}, at::kLong);
  }
  return out;
}

bool lists_fit(const Tensors& tensors, Lists& lists) {
  const Tensor &lengths = lists["lengths"], &asked_lengths = lists["asked_lengths"];
  const int64_t rows = lengths.numel();
  if (rows == 0 || asked_lengths.numel() != rows || !are_between(lengths, 1, kMaxTokens) ||
      !are_between(asked_lengths, 0, kMaxTokens)) {
    return false;
  }
  const int64_t tokens = lengths.sum().item<int64_t>();
  const Tensor& asked = lists["asked"];
  if (asked.numel() != asked_lengths.sum().item<int64_t>()) return false;
  const Tensor row_tokens = lengths.repeat_interleave(asked_lengths);
  if (!asked.ge(0).all().item<bool>() || !asked.lt(row_tokens).all().item<bool>()) return false;
  if (const auto pixels = tensors.find("pixels"); pixels != tensors.end())
    return pixels->second.dim() == 2 && pixels->second.size(0) == rows;
  return lists["ids"].numel() == tokens && lists["types"].numel() == tokens;
}

bool logits_fit(const Tensors& tensors, Lists& lists) {
  const int64_t rows = lists["lengths"].numel();
  const auto logits = tensors.find("logits"), sentences = tensors.find("sentence_logits");
  if (logits == tensors.end() || logits->second.dim() != 2) return false;
  if (sentences != tensors.end() &&
      (sentences->second.dim() != 2 || sentences->second.size(0) != rows)) {
    return false;
  }
  // Of rows, of every token, or of the words asked for.
  const int64_t answers = logits->second.size(0), asked = lists["asked"].numel();
  return answers == rows || answers == lists["lengths"].sum().item<int64_t>() ||
         (asked > 0 && answers == asked);
}

absl::StatusOr<double> slack_of(const std::string& folder, const Tensors& tensors) {
  const auto found = tensors.find("slack");
  if (found == tensors.end()) return 0.0;
  const double slack =
      found->second.numel() == 1 ? found->second.to(at::kDouble).item<double>() : -1;
  if (slack >= 0 && std::isfinite(slack)) return slack;
  return absl::InvalidArgumentError(
      absl::StrCat(folder, kFile, ": slack is not one finite number from 0 on"));
}

absl::StatusOr<Golden> read_golden(const std::string& folder) {
  ESPALIER_ASSIGN_OR_RETURN(Tensors tensors, load_tensors(folder + kFile));
  ESPALIER_ASSIGN_OR_RETURN(Lists lists, lists_of(folder, tensors));
  if (!lists_fit(tensors, lists))
    return absl::InvalidArgumentError(absl::StrCat(folder, kFile, ": sizes disagree"));
  if (!logits_fit(tensors, lists)) {
    return absl::InvalidArgumentError(
        absl::StrCat(folder, kFile, ": there are no logits, or not those of its inputs"));
  }
  Golden out;
  out.logits = tensors["logits"];
  out.sentence_logits = tensors["sentence_logits"];  // undefined where there are none
  ESPALIER_ASSIGN_OR_RETURN(out.slack, slack_of(folder, tensors));
  Cuts lengths(lists["lengths"]);
  const std::vector<int32_t> tokens = lengths.next(lists["lengths"].numel());
  out.inputs.resize(tokens.size());
  if (tensors.contains("pixels")) {
    Tensor pixels = tensors["pixels"].to(at::kByte).contiguous();
    const int64_t size = pixels.size(1);
    for (size_t i = 0; i < tokens.size(); ++i) {
      const uint8_t* first = pixels.data_ptr<uint8_t>() + static_cast<int64_t>(i) * size;
      out.inputs[i].pixels.assign(first, first + size);
      out.inputs[i].image_tokens = tokens[i];
    }
    return out;
  }
  Cuts ids(lists["ids"]), types(lists["types"]), asked(lists["asked"]),
      counts(lists["asked_lengths"]);
  for (size_t i = 0; i < tokens.size(); ++i) {
    out.inputs[i].ids = ids.next(tokens[i]);
    out.inputs[i].types = types.next(tokens[i]);
    out.inputs[i].asked = asked.next(counts.next(1).front());
  }
  return out;
}

}  // namespace

Batch Golden::batch() const { return pack(std::vector<InputView>(inputs.begin(), inputs.end())); }

absl::StatusOr<double> slack_between(const Tensor& exact, const Tensor& rounded,
                                     Precision precision) {
  if (!exact.defined() || exact.numel() == 0) return 0.0;
  const double gap = (rounded - exact).abs().max().item<double>();
  const double largest = exact.abs().max().item<double>();
  const double most = kMostShare * largest;
  if (kLeastFactor * gap <= most)
    return std::min(most, std::max(kSlackFactor * gap, kLeastShare * std::max(1.0, largest)));
  const bool int8 = precision == Precision::kInt8;
  return absl::FailedPreconditionError(absl::StrCat(
      "the model does not stand the precision ", precision_name(precision),
      ": on a few rows its logits, of which the largest is ", largest, ", move by up to ", gap,
      " where at most ", most / kLeastFactor, " would do; ask for the precision ",
      int8 ? "bf16 or fp32" : "fp32", " instead"));
}

absl::Status save_golden(const std::string& folder, const Golden& golden) {
  Batch batch = golden.batch();
  Tensors tensors = {{"lengths", torch::tensor(batch.lengths, torch::kInt64)},
                     {"logits", golden.logits}};
  if (golden.sentence_logits.defined()) tensors["sentence_logits"] = golden.sentence_logits;
  if (golden.slack > 0) tensors["slack"] = torch::tensor({golden.slack}, torch::kFloat64);
  if (batch.pixels.defined()) {
    tensors["pixels"] = batch.pixels;
    return save_tensors(folder + kFile, tensors);
  }
  std::vector<int64_t> asked, asked_lengths;
  for (const Input& input : golden.inputs) {
    asked.insert(asked.end(), input.asked.begin(), input.asked.end());
    asked_lengths.push_back(static_cast<int64_t>(input.asked.size()));
  }
  tensors["ids"] = batch.ids;
  tensors["types"] = batch.types;
  tensors["asked"] = torch::tensor(asked, torch::kInt64);
  tensors["asked_lengths"] = torch::tensor(asked_lengths, torch::kInt64);
  return save_tensors(folder + kFile, tensors);
}

absl::StatusOr<Golden> load_golden(const std::string& folder) {
  return guard("reading golden.safetensors", [&] { return read_golden(folder); });
}

}  // namespace espalier
