#include "core/spec/target_spec.h"

#include <limits>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/fields.h"

namespace espalier {
namespace {

constexpr double kEndless = std::numeric_limits<double>::infinity();

absl::StatusOr<TargetSpec> read_goal(const Json& json, const char* where, const char* field,
                                     TargetKind kind, Range range) {
  Fields fields(json, where);
  TargetSpec out{kind, 0};
  fields.require({field});
  fields.number(field, out.value, range);
  ESPALIER_RETURN_IF_ERROR(fields.status());
  return out;
}

// A goal that is a time, of {field, profile}.
absl::StatusOr<TargetSpec> read_time(const Json& json, const std::string& where, const char* field,
                                     TargetKind kind, Range range) {
  Fields fields(json, where);
  fields.refuse_unknown({field, "profile"});
  ESPALIER_RETURN_IF_ERROR(fields.status());
  ESPALIER_ASSIGN_OR_RETURN(TargetSpec out, read_goal(json, where.c_str(), field, kind, range));
  Fields profile(fields.child("profile"), where + ".profile");
  profile.refuse_unknown({"name", "batch", "length"});
  std::string name;
  int64_t rows = 0, tokens = 0;
  profile.string("name", name);
  profile.integer("batch", rows, 0, 512);
  profile.integer("length", tokens, 0, 8192);
  ESPALIER_RETURN_IF_ERROR(profile.status());
  if (!name.empty()) {
    return absl::UnimplementedError(absl::StrCat(
        where, ".profile.name is \"", name,
        "\", but jobs cannot ask for a machine yet; leave it out for that of the worker"));
  }
  constexpr int64_t kMostTokens = 65'536;  // of a batch: a gigabyte of what a large model computes
  if (rows * tokens > kMostTokens) {
    return absl::InvalidArgumentError(absl::StrCat(where, ".profile asks for ", rows, " x ", tokens,
                                                   " tokens; it may ask for at most ", kMostTokens,
                                                   " together"));
  }
  out.rows = rows > 0 ? static_cast<int>(rows) : 1;
  out.tokens = static_cast<int>(tokens);
  return out;
}

absl::StatusOr<TargetSpec> read_size(const Json& json) {
  Fields fields(json, "target.size");
  fields.refuse_unknown({"parameters", "bytes", "macs"});
  ESPALIER_RETURN_IF_ERROR(fields.status());
  if (json.size() != 1)
    return absl::InvalidArgumentError("target.size must hold one of parameters, bytes, macs");
  const Range positive{0, kEndless, true, true};
  if (fields.has("parameters"))
    return read_goal(json, "target.size", "parameters", TargetKind::kParameters, positive);
  if (fields.has("bytes"))
    return read_goal(json, "target.size", "bytes", TargetKind::kBytes, positive);
  return read_goal(json, "target.size", "macs", TargetKind::kMacs, positive);
}

absl::StatusOr<TargetSpec> read_goal_of(const Json& json) {
  Fields fields(json, "target");
  if (json.size() != 1)
    return absl::InvalidArgumentError(
        "target must hold one goal: sparsity, speedup, latency or size");
  if (fields.has("sparsity"))
    return read_goal(json, "target", "sparsity", TargetKind::kSparsity, {0, 1, false, true});
  if (const Json* speedup = fields.find("speedup")) {
    return read_time(*speedup, "target.speedup", "factor", TargetKind::kSpeedup,
                     {1, kEndless, false, true});
  }
  if (const Json* latency = fields.find("latency")) {
    return read_time(*latency, "target.latency", "milliseconds", TargetKind::kLatency,
                     {0, kEndless, true, true});
  }
  return read_size(fields.child("size"));
}

constexpr size_t kMostMilestones = 8;

// Each is harder than the one before and easier than the goal.
absl::Status check_milestones(const TargetSpec& target) {
  if (target.milestones.size() > kMostMilestones) {
    return absl::InvalidArgumentError(absl::StrCat("target.milestones has ",
                                                   target.milestones.size(), " values; at most ",
                                                   kMostMilestones, " models are made on the way"));
  }
  for (size_t i = 0; i < target.milestones.size(); ++i) {
    const double one = target.milestones[i];
    const double next = i + 1 < target.milestones.size() ? target.milestones[i + 1] : target.value;
    if (target.falls() ? one > next : one < next) continue;
    return absl::InvalidArgumentError(absl::StrCat(
        "target.milestones has ", one, " before ", next,
        i + 1 < target.milestones.size() ? "" : ", the goal itself", "; they must be ",
        target.falls() ? "falling" : "rising", " towards the goal, and none may reach it"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<TargetSpec> read_target(const Json& json) {
  Fields fields(json, "target");
  fields.refuse_unknown({"sparsity", "speedup", "latency", "size", "milestones"});
  ESPALIER_RETURN_IF_ERROR(fields.status());
  Json goal = json;
  if (goal.is_object()) goal.erase("milestones");
  if (goal.empty() && !fields.has("milestones")) return TargetSpec{};
  ESPALIER_ASSIGN_OR_RETURN(TargetSpec out, read_goal_of(goal));
  fields.numbers("milestones", out.milestones, {0, kEndless, true, true});
  ESPALIER_RETURN_IF_ERROR(fields.status());
  ESPALIER_RETURN_IF_ERROR(check_milestones(out));
  return out;
}

Json write_target(const TargetSpec& target) {
  Json out = goal_json(target);
  if (!target.milestones.empty()) out["milestones"] = target.milestones;
  return out;
}

Json goal_json(const TargetSpec& target) {
  const auto timed = [&](const char* name, const char* field) {
    return Json{{name,
                 {{field, target.value},
                  {"profile", {{"batch", target.rows}, {"length", target.tokens}}}}}};
  };
  switch (target.kind) {
    case TargetKind::kSparsity:
      return {{"sparsity", target.value}};
    case TargetKind::kSpeedup:
      return timed("speedup", "factor");
    case TargetKind::kLatency:
      return timed("latency", "milliseconds");
    case TargetKind::kParameters:
      return {{"size", {{"parameters", target.value}}}};
    case TargetKind::kMacs:
      return {{"size", {{"macs", target.value}}}};
    case TargetKind::kBytes:
      return {{"size", {{"bytes", target.value}}}};
    default:
      return Json::object();
  }
}

}  // namespace espalier
