#include "core/export/stored_artifact.h"

#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/linear_slots.h"

namespace espalier {
namespace {

absl::Status check_weights(const StoredArtifact& artifact) {
  const auto& stored = artifact.weights.tensors();
  for (const auto& [name, shape] : expected_tensors(artifact.config)) {
    const auto found = stored.find(name);
    if (found == stored.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat(artifact.folder, ": ", artifact.weights.title(), " lacks the tensor ", name,
                       ", which config.json demands; is this the folder of an artifact?"));
    }
    const TensorInfo& info = found->second;
    const bool is_mask = name.ends_with(".mask");
    if (info.shape != shape || (!is_mask && info.dtype != "F32") ||
        (is_mask && info.dtype != "U8" && info.dtype != "BOOL")) {
      return absl::InvalidArgumentError(
          absl::StrCat(artifact.folder, ": tensor ", name, " is ", info.dtype, " [",
                       absl::StrJoin(info.shape, ", "), "]; export reads ", is_mask ? "U8" : "F32",
                       " [", absl::StrJoin(shape, ", "), "] there"));
    }
  }
  return absl::OkStatus();
}

// a [N,r] times b [r,K].
Values product(const Values& a, const Values& b) {
  const int64_t rows = a.shape[0], inner = a.shape[1], columns = b.shape[1];
  Values out{{rows, columns}, {}};
  out.data.reserve(static_cast<size_t>(rows * columns));
  std::vector<double> row(static_cast<size_t>(columns));
  for (int64_t i = 0; i < rows; ++i) {
    std::fill(row.begin(), row.end(), 0.0);
    for (int64_t k = 0; k < inner; ++k) {
      const double by = a.data[i * inner + k];
      for (int64_t j = 0; j < columns; ++j) row[j] += by * b.data[k * columns + j];
    }
    out.data.insert(out.data.end(), row.begin(), row.end());
  }
  return out;
}

absl::StatusOr<StoredArtifact> open_checked(const std::string& folder) {
  StoredArtifact out;
  out.folder = folder;
  ESPALIER_ASSIGN_OR_RETURN(out.spec, read_json(folder + "/espalier.json"));
  ESPALIER_ASSIGN_OR_RETURN(out.task, find_task(out.spec.at("task").get<std::string>()));
  ESPALIER_ASSIGN_OR_RETURN(const Json config, read_json(folder + "/config.json"));
  ESPALIER_ASSIGN_OR_RETURN(out.config, read_model_config(config));
  out.config.spans = out.task.objective == Objective::kSpan;  // config.json did not always say so
  ESPALIER_ASSIGN_OR_RETURN(out.weights, WeightFiles::open(folder));
  ESPALIER_RETURN_IF_ERROR(check_weights(out));
  return out;
}

}  // namespace

Values StoredArtifact::values(const std::string& name) const {
  Values out;
  out.shape = weights.tensors().at(name).shape;
  out.data.resize(static_cast<size_t>(
      std::accumulate(out.shape.begin(), out.shape.end(), int64_t{1}, std::multiplies<>())));
  if (!out.data.empty())
    std::memcpy(out.data.data(), weights.data(name), out.data.size() * sizeof(float));
  return out;
}

bool StoredArtifact::is_factored(const std::string& linear) const {
  return stored_shape(config, linear).kind == LinearShape::Kind::kFactored;
}

Values StoredArtifact::factor(const std::string& linear) const {
  Values out = values(linear + ".weight");
  if (stored_shape(config, linear).kind != LinearShape::Kind::kMasked) return out;
  const std::byte* mask = weights.data(linear + ".mask");
  for (size_t i = 0; i < out.data.size(); ++i) {
    if (mask[i] == std::byte{0}) out.data[i] = 0;
  }
  return out;
}

Values StoredArtifact::matrix(const std::string& linear) const {
  if (!is_factored(linear)) return factor(linear);
  return product(factor(linear + ".up"), factor(linear + ".down"));
}

absl::StatusOr<StoredArtifact> open_artifact(const std::string& folder) {
  return guard(folder.c_str(), [&] { return open_checked(folder); });
}

}  // namespace espalier
