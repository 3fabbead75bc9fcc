#include "core/export/stored_artifact.h"

#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/spec/linear_slots.h"
#include "core/spec/stored_weights.h"

namespace espalier {
namespace {

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
  ESPALIER_ASSIGN_OR_RETURN(out.precision, stated_precision(out.spec, folder + "/espalier.json"));
  ESPALIER_ASSIGN_OR_RETURN(out.task, find_task(out.spec.at("task").get<std::string>()));
  ESPALIER_ASSIGN_OR_RETURN(const Json config, read_json(folder + "/config.json"));
  ESPALIER_ASSIGN_OR_RETURN(out.config, read_model_config(config));
  out.config.spans = out.task.objective == Objective::kSpan;  // config.json did not always say so
  ESPALIER_ASSIGN_OR_RETURN(out.weights, WeightFiles::open_single(folder));
  if (const absl::Status status = check_stored_weights(out.weights, out.config, out.precision);
      !status.ok()) {
    return absl::Status(status.code(), absl::StrCat(folder, ": ", status.message()));
  }
  return out;
}

}  // namespace

Values StoredArtifact::values(const std::string& name) const {
  Values out;
  out.shape = weights.tensors().at(name).shape;
  out.data.resize(static_cast<size_t>(
      std::accumulate(out.shape.begin(), out.shape.end(), int64_t{1}, std::multiplies<>())));
  read_stored(weights, name, out.data.data());
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

double StoredArtifact::slack() const {
  const auto golden = SafetensorsFile::open(folder + "/golden.safetensors");
  if (!golden.ok()) return 0;
  const auto found = (*golden)->tensors().find("slack");
  if (found == (*golden)->tensors().end() || found->second.dtype != "F64") return 0;
  double out = 0;
  if (found->second.end - found->second.begin != sizeof(out)) return 0;
  std::memcpy(&out, (*golden)->data(found->second), sizeof(out));
  return out;
}

absl::StatusOr<StoredArtifact> open_artifact(const std::string& folder) {
  return guard(folder.c_str(), [&] { return open_checked(folder); });
}

}  // namespace espalier
