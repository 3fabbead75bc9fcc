#include "core/spec/stored_weights.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/status_macros.h"
#include "core/spec/int8_rows.h"

namespace espalier {
namespace {

using Dims = std::vector<int64_t>;

// What a precision has the narrowed tensors in.
const char* narrow_dtype(Precision precision) {
  switch (precision) {
    case Precision::kBf16:
      return "BF16";
    case Precision::kInt8:
      return "I8";
    case Precision::kFp32:
      break;
  }
  return "F32";
}

std::vector<std::string> dtypes_of(const std::string& name, const Dims& shape,
                                   Precision precision) {
  if (name.ends_with(".mask")) return {"U8", "BOOL"};
  return {is_narrowed(name, shape) ? narrow_dtype(precision) : "F32"};
}

absl::Status check_one(const WeightFiles& weights, const std::string& name, const Dims& shape,
                       const std::vector<std::string>& dtypes, Precision precision) {
  const auto found = weights.tensors().find(name);
  if (found == weights.tensors().end()) {
    return absl::InvalidArgumentError(absl::StrCat(weights.title(), " lacks the tensor ", name,
                                                   ", which a model of this config.json in ",
                                                   precision_name(precision), " has"));
  }
  const TensorInfo& info = found->second;
  if (info.shape == shape && std::count(dtypes.begin(), dtypes.end(), info.dtype) > 0)
    return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tensor ", name, " is ", info.dtype, " [", absl::StrJoin(info.shape, ", "),
                   "]; an artifact in ", precision_name(precision), " with this config.json has ",
                   absl::StrJoin(dtypes, " or "), " [", absl::StrJoin(shape, ", "), "] there"));
}

// A copy, because the data of a stranger's file need not be aligned.
std::vector<float> floats_of(const WeightFiles& weights, const std::string& name, int64_t count) {
  std::vector<float> out(static_cast<size_t>(count));
  if (count > 0) std::memcpy(out.data(), weights.data(name), out.size() * sizeof(float));
  return out;
}

const int8_t* numbers_of(const WeightFiles& weights, const std::string& name) {
  return reinterpret_cast<const int8_t*>(weights.data(name));
}

int64_t element_count(const Dims& shape) {
  int64_t out = 1;
  for (const int64_t n : shape) out *= n;
  return out;
}

}  // namespace

bool is_narrowed(const std::string& name, const Dims& shape) {
  return shape.size() == 2 && name.starts_with("layers.") && name.ends_with(".weight");
}

int artifact_format(Precision precision) { return precision == Precision::kFp32 ? 1 : 2; }

absl::StatusOr<Precision> stated_precision(const Json& spec, const std::string& path) {
  // Format 1 may hold any precision: the first artifacts in bf16 and int8 had that number.
  if (const int format = spec.at("format").get<int>(); format != 1 && format != 2) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, " has format ", format, "; this build reads formats 1 and 2",
                     format > 2 ? ": a newer build wrote it, and one like that will read it" : ""));
  }
  const std::string name = spec.at("precision").get<std::string>();
  if (const auto known = precision_named(name)) return *known;
  return absl::InvalidArgumentError(
      absl::StrCat(path, " has the precision \"", name, "\"; known: ", known_precisions()));
}

std::string scale_name(const std::string& weight) { return weight + ".scale"; }

absl::Status check_stored_weights(const WeightFiles& weights, const ModelConfig& config,
                                  Precision precision) {
  for (const auto& [name, shape] : expected_tensors(config)) {
    ESPALIER_RETURN_IF_ERROR(
        check_one(weights, name, shape, dtypes_of(name, shape, precision), precision));
    if (precision != Precision::kInt8 || !is_narrowed(name, shape)) continue;
    const std::string scale = scale_name(name);
    ESPALIER_RETURN_IF_ERROR(check_one(weights, scale, {shape[0]}, {"F32"}, precision));
    ESPALIER_RETURN_IF_ERROR(check_int8_rows(name, numbers_of(weights, name),
                                             floats_of(weights, scale, shape[0]).data(), shape[0],
                                             shape[1]));
  }
  return absl::OkStatus();
}

void read_stored(const WeightFiles& weights, const std::string& name, float* to) {
  const TensorInfo& info = weights.tensors().at(name);
  const int64_t count = element_count(info.shape);
  if (count == 0) return;
  const std::byte* data = weights.data(name);
  if (info.dtype == "F32") {
    std::memcpy(to, data, static_cast<size_t>(count) * sizeof(float));
  } else if (info.dtype == "BF16") {
    for (int64_t i = 0; i < count; ++i) {
      uint16_t half;
      std::memcpy(&half, data + i * 2, sizeof half);
      to[i] = std::bit_cast<float>(uint32_t{half} << 16);
    }
  } else if (info.dtype == "I8") {
    const auto scales = floats_of(weights, scale_name(name), info.shape[0]);
    dequantise_rows(numbers_of(weights, name), scales.data(), info.shape[0], info.shape[1], to);
  } else {  // a mask
    for (int64_t i = 0; i < count; ++i) to[i] = data[i] == std::byte{0} ? 0.0F : 1.0F;
  }
}

}  // namespace espalier
