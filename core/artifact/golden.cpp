#include "core/artifact/golden.h"

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/model/load.h"

namespace espalier {
namespace {

constexpr char kFile[] = "/golden.safetensors";

using Tensors = std::map<std::string, Tensor>;

// Cuts a tensor of all rows' numbers into the rows' own.
class Cuts {
 public:
  explicit Cuts(const Tensor& all) : all_(all.to(at::kLong).contiguous()) {}
  std::vector<int32_t> next(int64_t count) {
    const int64_t* first = all_.data_ptr<int64_t>() + at_;
    at_ += count;
    return {first, first + count};
  }

 private:
  Tensor all_;
  int64_t at_ = 0;
};

absl::Status check_sizes(const std::string& folder, Tensors& tensors) {
  const bool image = tensors.contains("pixels");
  std::vector<const char*> names = {"lengths", "logits"};
  if (!image) names.insert(names.end(), {"ids", "types", "asked", "asked_lengths"});
  for (const char* name : names) {
    if (!tensors.contains(name))
      return absl::InvalidArgumentError(absl::StrCat(folder, kFile, " has no tensor ", name));
  }
  const Tensor lengths = tensors["lengths"].to(at::kLong);
  const auto total = [&](const char* name) {
    return tensors[name].to(at::kLong).sum().item<int64_t>();
  };
  const int64_t rows = lengths.numel(), tokens = total("lengths");
  bool fit = rows > 0 && lengths.min().item<int64_t>() > 0;
  if (image) {
    fit = fit && tensors["pixels"].dim() == 2 && tensors["pixels"].size(0) == rows;
  } else {
    fit = fit && tensors["ids"].numel() == tokens && tensors["types"].numel() == tokens &&
          tensors["asked_lengths"].numel() == rows &&
          tensors["asked"].numel() == total("asked_lengths");
  }
  // Logits of rows, of every token, or of the words asked for.
  const int64_t answers = tensors["logits"].size(0);
  fit = fit &&
        (answers == rows || answers == tokens || (!image && answers == tensors["asked"].numel()));
  if (fit) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(folder, kFile, ": sizes disagree"));
}

}  // namespace

Batch Golden::batch() const {
  std::vector<const Input*> rows;
  for (const Input& input : inputs) rows.push_back(&input);
  return pack(rows);
}

absl::Status save_golden(const std::string& folder, const Golden& golden) {
  Batch batch = golden.batch();
  Tensors tensors = {{"lengths", torch::tensor(batch.lengths, torch::kInt64)},
                     {"logits", golden.logits}};
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
  ESPALIER_ASSIGN_OR_RETURN(auto tensors, load_tensors(folder + kFile));
  ESPALIER_RETURN_IF_ERROR(check_sizes(folder, tensors));
  Golden out;
  out.logits = tensors["logits"];
  Cuts lengths(tensors["lengths"]);
  const std::vector<int32_t> tokens = lengths.next(tensors["lengths"].numel());
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
  Cuts ids(tensors["ids"]), types(tensors["types"]), asked(tensors["asked"]),
      counts(tensors["asked_lengths"]);
  for (size_t i = 0; i < tokens.size(); ++i) {
    out.inputs[i].ids = ids.next(tokens[i]);
    out.inputs[i].types = types.next(tokens[i]);
    out.inputs[i].asked = asked.next(counts.next(1).front());
  }
  return out;
}

}  // namespace espalier
