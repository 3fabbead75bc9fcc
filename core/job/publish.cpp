#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/artifact/as_stored.h"
#include "core/base/build.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/job/job.h"
#include "core/model/walk.h"
#include "core/picture/pictures.h"
#include "core/runtime/engine.h"
#include "core/runtime/packed_backend.h"

namespace espalier {
namespace {

constexpr int64_t kGoldenRows = 8;

// As the data set's field has them, but all of them.
Json class_weights_json(const ClassWeights& asked, const std::vector<double>& weights,
                        const std::vector<std::string>& labels) {
  Json by_name = Json::object();
  for (size_t id = 0; id < weights.size(); ++id) by_name[labels[id]] = weights[id];
  return {{"balanced", asked.balanced}, {"weights", by_name}};
}

// A compressed model's own part of a report: its column, and what stands beside the columns.
Json about_compressed(Json column) {
  Json out = Json::object();
  for (const char* beside : {"target", "paired_test"}) {
    const auto found = column.find(beside);
    if (found == column.end()) continue;
    out[beside] = *found;
    column.erase(found);
  }
  out[kCompressed] = std::move(column);
  return out;
}

// A milestone as the family's other reports show it.
Json short_column(const Json& column) {
  Json out = Json::object();
  for (const char* key : {"target", "parameters", "sparsity", "macs", "bytes", "metric",
                          "paired_test", "latency_ms", "batch_latency_ms"})
    if (column.contains(key)) out[key] = column[key];
  return out;
}

}  // namespace

std::vector<std::string> Job::roles() const {
  if (!compresses()) return {kDense};
  std::vector<std::string> out = {kCompressed};
  for (size_t i = 0; i < state_.milestones.size(); ++i) out.push_back(milestone_role(i));
  out.push_back(kDense);
  return out;
}

std::string Job::milestone_role(size_t milestone) {
  return absl::StrCat("milestone_", milestone + 1);
}

std::optional<size_t> Job::milestone_of(const std::string& role) const {
  for (size_t i = 0; i < state_.milestones.size(); ++i)
    if (role == milestone_role(i)) return i;
  return std::nullopt;
}

std::string Job::folder(const std::string& role) const {
  if (role == kInFp32) return absl::StrCat(input_.output_folder, "/", kInFp32);
  const std::vector<std::string> all = roles();
  return absl::StrCat(input_.output_folder, "/",
                      std::find(all.begin(), all.end(), role) - all.begin());
}

const Model& Job::model(const std::string& role) const {
  if (role == kDense) return *state_.dense;
  const std::optional<size_t> milestone = milestone_of(role);
  return milestone ? state_.milestones[*milestone].model : state_.model;
}

Precision Job::precision(const std::string& role) const {
  const bool made = role != kDense || !compresses();
  return made ? recipe_.precision : Precision::kFp32;
}

ArtifactSpec Job::artifact_spec(const std::string& role, Precision precision) const {
  ArtifactSpec spec;
  spec.task = task_->name();
  spec.label_names = splits_.label_names;
  spec.max_length = max_length_;
  spec.precision = precision;
  if (role == kCompressed && exit_ != nullptr) {
    auto classes = static_cast<int>(splits_.label_names.size());
    auto layers = static_cast<int>(state_.model.layers.size());
    ExitMethod::Range range = exit_->range(classes, layers);
    double careful = exit_->candidates(classes, layers).front();
    double threshold = state_.facts.contains("calibrate")
                           ? state_.facts["calibrate"].value("threshold", careful)
                           : careful;
    spec.exit = ExitSpec{recipe_.exit.name, threshold, range.low, range.high};
  }
  return spec;
}

Golden Job::golden(const Model& stored, Precision precision) const {
  torch::NoGradGuard no_grad;
  const Examples& report = splits_.report;
  Golden out;
  for (int64_t i = 0; i < std::min(kGoldenRows, report.size()); ++i)
    out.inputs.push_back(report.input(i).copy());
  TrainBackend backend(stored);
  const Trace trace = walk(backend, out.batch());
  out.logits = trace.logits;
  out.sentence_logits = trace.sentence_logits;
  if (precision == Precision::kFp32) return out;
  const runtime::Plan plan = runtime::make_plan(stored, precision);
  runtime::PackedBackend twin(plan);
  const Trace rounded = walk(twin, out.batch());
  out.slack = std::max(
      value_or_throw(slack_between(out.logits, rounded.logits, precision)),
      value_or_throw(slack_between(out.sentence_logits, rounded.sentence_logits, precision)));
  return out;
}

void Job::save(const std::string& role, Precision precision, const std::string& folder) const {
  const Model stored = as_stored(model(role), precision);
  throw_if_error(save_artifact(folder, stored, artifact_spec(role, precision), input_.model_folder,
                               golden(stored, precision)));
}

// Whoever needs them first: from calibrate() on nothing trains any more, and it puts the threshold
// that it chooses into what is saved itself.
void Job::save_artifacts() {
  if (artifacts_saved_) return;
  for (const std::string& role : roles()) save(role, precision(role), folder(role));
  artifacts_saved_ = true;
}

JobOutput Job::publish() {
  const Json& measured = state_.facts.at("evaluate");
  Json report = {{"schema", 1},
                 {"job", input_.job_name},
                 {"task", task_->name()},
                 {"recipe", input_.recipe},
                 {"seed", recipe_.seed},
                 {"commit", commit()},
                 {"machine", machine_description()},
                 {"compute_classes", state_.facts.at("compute_classes")},
                 {"resumed", resumed_},
                 {"phases", Json::array()}};
  for (const Phase& phase : plan()) {
    Json facts = state_.facts.at(phase.name);
    if (std::string(phase.name) == "evaluate") facts = {{"seconds", facts.at("seconds")}};
    facts["name"] = phase.name;
    report["phases"].push_back(facts);
  }
  Json splits = Json::object(), digests = Json::object();
  if (labelled_) {
    splits = {{"train", splits_.train.size()},
              {"select", splits_.select.size()},
              {"calibrate", splits_.calibrate.size()},
              {"report", splits_.report.size()},
              {"unlabelled", splits_.unlabelled.size()}};
    for (const auto& [split, path] : input_.dataset->splits) {
      digests[split] = value_or_throw(split_digest(*input_.dataset, split));
    }
  }
  int64_t truncated = 0, left_out = 0;
  for (const Examples* examples : splits_.each()) {
    truncated += examples->truncated;
    left_out += examples->left_out;
  }
  if (const Json teachers = state_.facts.value("teachers", Json()); !teachers.empty())
    report["teachers"] = teachers;  // what each has on the select split
  report["data"] = {{"splits", splits},          {"sha256", digests},
                    {"max_length", max_length_}, {"truncated", truncated},
                    {"left_out", left_out},      {"mean_tokens", measured.at("mean_tokens")}};
  if (!class_weights_.empty()) {
    report["data"]["class_weights"] =
        class_weights_json(input_.dataset->class_weights, class_weights_, splits_.label_names);
  }
  report[kDense] = measured.at(kDense);
  const std::vector<std::string> all = roles();
  if (!state_.milestones.empty()) {  // every model of the run but the dense one
    for (size_t i = 0; i + 1 < all.size(); ++i)
      report["family"].push_back(short_column(measured.at(all[i])));
  }
  JobOutput out;
  save_artifacts();
  for (const std::string& role : all) {
    // Each compressed model's report is about itself; the dense one's is about the first of them.
    const std::string about = role == kDense ? all.front() : role;
    Json own = report;
    if (compresses()) own.update(about_compressed(measured.at(about)));
    if (about == all.front()) {  // judged, and compared with itself in fp32
      for (const char* also :
           {"constraint", kInFp32, "precision_test", "precision_cost", "precision_gap"})
        if (measured.contains(also)) own[also] = measured[also];
    }
    const std::string column = role == kDense ? kDense : kCompressed;
    throw_if_error(write_file(folder(role) + "/report.json", own.dump(2) + "\n"));
    throw_if_error(write_file(folder(role) + "/README.md", model_card(own, column)));
    for (const Picture& one : pictures_of(own))
      throw_if_error(write_file(absl::StrCat(folder(role), "/", one.file), one.svg));
    out.artifacts.push_back({folder(role), task_->name(), summary_of(own, column)});
  }
  return out;
}

}  // namespace espalier
