#include "server/serving/infer_parameters.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

using inference::InferParameter;

absl::Status bad_parameter(const std::string& name, const std::string& message) {
  return with_reason(absl::InvalidArgumentError(absl::StrCat("parameter \"", name, "\" ", message)),
                     "BAD_PARAMETER", absl::StrCat("parameters[", name, "]"));
}

std::string type_name(const InferParameter& value) {
  switch (value.parameter_choice_case()) {
    case InferParameter::kBoolParam:
      return "bool";
    case InferParameter::kInt64Param:
      return "int64";
    case InferParameter::kStringParam:
      return "string";
    case InferParameter::kDoubleParam:
      return "double";
    case InferParameter::kUint64Param:
      return "uint64";
    case InferParameter::PARAMETER_CHOICE_NOT_SET:
      break;
  }
  return "nothing";
}

absl::Status wrong_type(const std::string& name, const InferParameter& value,
                        const char* expected) {
  return bad_parameter(name, absl::StrCat("holds a ", type_name(value), "; it takes ", expected));
}

absl::Status read_threshold(const std::string& name, const InferParameter& value,
                            const runtime::ModelInfo& info, InferParameters& result) {
  double threshold = 0;
  if (value.has_double_param()) {
    threshold = value.double_param();
  } else if (value.has_int64_param()) {
    threshold = static_cast<double>(value.int64_param());
  } else {
    return wrong_type(name, value, "a double or an int64");
  }
  if (!info.has_exits) return bad_parameter(name, "has no meaning: the model has no early exits");
  const bool ranged = info.threshold_low < info.threshold_high;
  if (!std::isfinite(threshold) ||
      (ranged && (threshold < info.threshold_low || threshold > info.threshold_high))) {
    return bad_parameter(
        name, absl::StrCat("is ", threshold, "; exit method \"", info.exit_method, "\" takes ",
                           info.threshold_low, " to ", info.threshold_high, ", calibrated is ",
                           info.exit_threshold));
  }
  result.exit_threshold = threshold;
  return absl::OkStatus();
}

absl::Status read_max_exit_layer(const std::string& name, const InferParameter& value,
                                 const runtime::ModelInfo& info, InferParameters& result) {
  if (!value.has_int64_param()) return wrong_type(name, value, "an int64");
  if (!info.has_exits) return bad_parameter(name, "has no meaning: the model has no early exits");
  const int64_t layer = value.int64_param();
  if (layer < 1 || layer > info.layers) {
    return bad_parameter(
        name, absl::StrCat("is ", layer, "; the model has the layers 1 to ", info.layers));
  }
  result.max_exit_layer = static_cast<int>(layer);
  return absl::OkStatus();
}

absl::Status read_timeout(const std::string& name, const InferParameter& value,
                          const runtime::ModelInfo&, InferParameters& result) {
  if (!value.has_int64_param() && !value.has_uint64_param()) {
    return wrong_type(name, value, "an int64 (microseconds)");
  }
  // A day is as good as for ever, and adds to any clock without overflow.
  constexpr int64_t kDay = 86'400'000'000;
  const int64_t micros = value.has_int64_param()
                             ? value.int64_param()
                             : static_cast<int64_t>(std::min<uint64_t>(value.uint64_param(), kDay));
  if (micros < 0) {
    return bad_parameter(name, absl::StrCat("is ", micros, "; it takes microseconds, 0 for none"));
  }
  if (micros > 0) result.timeout = std::chrono::microseconds(std::min(micros, kDay));
  return absl::OkStatus();
}

absl::Status read_priority(const std::string& name, const InferParameter& value,
                           const runtime::ModelInfo&, InferParameters& result) {
  if (!value.has_int64_param() && !value.has_uint64_param()) {
    return wrong_type(name, value, "an integer");
  }
  if (value.int64_param() < 0) {  // 0 of a uint64
    return bad_parameter(
        name, absl::StrCat("is ", value.int64_param(), "; 1 is the highest, 0 the default"));
  }
  const uint64_t priority =
      value.has_uint64_param() ? value.uint64_param() : static_cast<uint64_t>(value.int64_param());
  // The last level and what is beyond it are the default.
  result.priority = priority < kPriorityLevels ? static_cast<int>(priority) : 0;
  return absl::OkStatus();
}

// Who asks for a sequence expects that earlier requests count; an answer without them were wrong.
absl::Status no_sequences(const std::string& name) {
  return with_reason(absl::UnimplementedError(absl::StrCat(
                         "parameter \"", name,
                         "\" asks for a sequence of requests; models keep no state between "
                         "requests here, leave it out")),
                     "BAD_PARAMETER", absl::StrCat("parameters[", name, "]"));
}

absl::Status check_sequence_id(const std::string& name, const InferParameter& value,
                               const runtime::ModelInfo&, InferParameters&) {
  if (!value.has_int64_param() && !value.has_uint64_param() && !value.has_string_param()) {
    return wrong_type(name, value, "an int64 or a string");
  }
  const bool none =
      value.int64_param() == 0 && value.uint64_param() == 0 && value.string_param().empty();
  return none ? absl::OkStatus() : no_sequences(name);
}

absl::Status check_sequence_flag(const std::string& name, const InferParameter& value,
                                 const runtime::ModelInfo&, InferParameters&) {
  if (!value.has_bool_param()) return wrong_type(name, value, "a bool");
  return value.bool_param() ? no_sequences(name) : absl::OkStatus();
}

absl::Status check_bool(const std::string& name, const InferParameter& value,
                        const runtime::ModelInfo&, InferParameters&) {
  return value.has_bool_param() ? absl::OkStatus() : wrong_type(name, value, "a bool");
}

using Reader = absl::Status (*)(const std::string&, const InferParameter&,
                                const runtime::ModelInfo&, InferParameters&);
constexpr std::array<std::pair<const char*, Reader>, 8> kReaders = {{
    {"exit_threshold", read_threshold},
    {"max_exit_layer", read_max_exit_layer},
    {"timeout", read_timeout},
    {"sequence_id", check_sequence_id},
    {"sequence_start", check_sequence_flag},
    {"sequence_end", check_sequence_flag},
    {"priority", read_priority},
    {"triton_enable_empty_final_response", check_bool},
}};

// A misspelt knob that is silently ignored would give the wrong speed and nobody would know.
bool reads_like_ours(const std::string& name) {
  for (const char* word : {"exit", "threshold", "layer", "speedup", "speed_up"}) {
    if (absl::StrContains(absl::AsciiStrToLower(name), word)) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<InferParameters> parse_parameters(
    const google::protobuf::Map<std::string, InferParameter>& parameters,
    const runtime::ModelInfo& info) {
  InferParameters result;
  // Sorted, so that the same request is always refused for the same reason.
  const std::map<std::string, InferParameter> sorted(parameters.begin(), parameters.end());
  for (const auto& [name, value] : sorted) {
    const auto reader =
        std::find_if(kReaders.begin(), kReaders.end(),
                     [&name = name](const auto& entry) { return name == entry.first; });
    if (reader != kReaders.end()) {
      ESPALIER_RETURN_IF_ERROR(reader->second(name, value, info, result));
    } else if (absl::StartsWith(name, "triton_")) {
      return bad_parameter(name, "is unknown, and the prefix \"triton_\" is reserved");
    } else if (reads_like_ours(name)) {
      return bad_parameter(name, "is unknown; known: exit_threshold, max_exit_layer, timeout");
    }
  }
  return result;
}

}  // namespace espalier::server
