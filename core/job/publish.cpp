#include <filesystem>

#include "absl/strings/str_cat.h"
#include "core/base/build.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/job/job.h"
#include "core/job/measure.h"
#include "core/model/walk.h"
#include "core/runtime/engine.h"

namespace espalier {
namespace {

constexpr int64_t kGoldenRows = 8;
constexpr int kLatencyRows = 100;
constexpr int kThresholds = 20;  // candidates that calibration tries

// What the model says to these rows as what is right; without the rows, which no figure needs.
Examples answers_of(const std::vector<Prediction>& predictions) {
  Examples out;
  for (const Prediction& one : predictions)
    out.targets.add(static_cast<float>(largest(one.logits)));
  return out;
}

double nonzero_parameters(const Model& model) {
  double out = 0;
  model.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!name.starts_with("layers.") || name.ends_with(".mask")) return;
    out += tensor.count_nonzero().item<double>();
  });
  // Biases and norms count whether or not they are zero: only weights are pruned one by one.
  model.for_each([&](const std::string& name, const Tensor& tensor) {
    if (!name.starts_with("layers.") || tensor.dim() != 1) return;
    out += static_cast<double>(tensor.numel()) - tensor.count_nonzero().item<double>();
  });
  return out;
}

// As the data set's field has them, but all of them.
Json class_weights_json(const ClassWeights& asked, const std::vector<double>& weights,
                        const std::vector<std::string>& labels) {
  Json by_name = Json::object();
  for (size_t id = 0; id < weights.size(); ++id) by_name[labels[id]] = weights[id];
  return {{"balanced", asked.balanced}, {"weights", by_name}};
}

}  // namespace

std::vector<std::string> Job::roles() const {
  return compresses() ? std::vector<std::string>{"compressed", "dense"}
                      : std::vector<std::string>{"dense"};
}

std::string Job::folder(const std::string& role) const {
  bool first = role == roles().front();
  return absl::StrCat(input_.output_folder, "/", first ? 0 : 1);
}

ArtifactSpec Job::artifact_spec(bool with_exits) const {
  ArtifactSpec spec;
  spec.task = task_->name();
  spec.label_names = splits_.label_names;
  spec.max_length = max_length_;
  spec.precision = recipe_.precision;
  if (with_exits && exit_ != nullptr) {
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

Golden Job::golden(const Model& model) const {
  torch::NoGradGuard no_grad;
  const std::vector<Input>& inputs = splits_.report.inputs;
  Golden out;
  out.inputs.assign(inputs.begin(), inputs.begin() + std::min(kGoldenRows, splits_.report.size()));
  TrainBackend backend(model);
  const Trace trace = walk(backend, out.batch());
  out.logits = trace.logits;
  out.sentence_logits = trace.sentence_logits;
  return out;
}

// Whoever needs them first: from calibrate() on nothing trains any more, and it puts the threshold
// that it chooses into what is saved itself.
void Job::save_artifacts() {
  if (artifacts_saved_) return;
  for (const std::string& role : roles()) {
    bool compressed = role == "compressed";
    const Model& model = compressed ? state_.model : *state_.dense;
    throw_if_error(save_artifact(folder(role), model, artifact_spec(compressed),
                                 input_.model_folder, golden(model)));
  }
  artifacts_saved_ = true;
}

void Job::calibrate() {
  save_artifacts();
  auto engine = value_or_throw(runtime::Engine::load(folder("compressed")));
  auto classes = static_cast<int>(splits_.label_names.size());
  std::vector<double> all = exit_->candidates(classes, engine->info().layers);
  std::vector<double> tried;
  for (int i = 0; i < kThresholds; ++i)
    tried.push_back(all[i * (all.size() - 1) / (kThresholds - 1)]);

  // From careful to bold: the boldest before the first that costs too much. Where no label is
  // known, what the last layer says is what is right, and the cost is the share of rows to which an
  // exit says something else.
  const bool labelled = splits_.calibrate.targets.known(0);
  Examples last_layer;
  Json curve = Json::array();
  double full = 0, chosen = tried.front();
  bool holds = true;
  for (int i = 0; i < kThresholds; ++i) {
    auto predictions =
        value_or_throw(predict_all(*engine, splits_.calibrate, *task_, tried[i], [] {}));
    if (i == 0 && !labelled) last_layer = answers_of(predictions);  // nobody left
    const double metric = labelled ? task_->figure(predictions, splits_.calibrate)
                                   : task_->figure(predictions, last_layer, "accuracy");
    if (i == 0) full = metric;
    holds = holds && metric >= full - recipe_.exit_max_metric_drop;
    if (holds) chosen = tried[i];
    curve.push_back({{"threshold", tried[i]},
                     {"metric", metric},
                     {"mean_exit_layer", mean_exit_layer(predictions)}});
    reporter_->step(i + 1, kThresholds, {{"threshold", tried[i]}, {"metric", metric}});
  }
  state_.facts["calibrate"]["threshold"] = chosen;
  state_.facts["calibrate"]["judged_by"] = labelled ? "labels" : kAgreement;
  state_.facts["calibrate"]["curve"] = curve;
  throw_if_error(save_spec(folder("compressed"), artifact_spec(true)));
}

void Job::check_constraint(const std::vector<runtime::Engine*>& engines) {
  if (!labelled_ || !compresses() || recipe_.max_metric_drop < 0) return;
  double own = std::numeric_limits<double>::quiet_NaN();
  const std::string metric =
      recipe_.constraint_metric.empty() ? task_->metric() : recipe_.constraint_metric;
  std::vector<double> figures;  // compressed, dense
  for (runtime::Engine* engine : engines) {
    auto predictions = value_or_throw(predict_all(*engine, splits_.select, *task_, own, [] {}));
    figures.push_back(task_->figure(predictions, splits_.select, metric));
  }
  double drop = figures[1] - figures[0];
  state_.facts["evaluate"]["constraint"] = {{"asked", recipe_.max_metric_drop}, {"drop", drop}};
  if (drop <= recipe_.max_metric_drop) return;
  throw StatusError(absl::FailedPreconditionError(absl::StrCat(
      "the constraint is broken: ", metric, " on the select split fell from ", figures[1], " to ",
      figures[0], ", by ", drop, " points where at most ", recipe_.max_metric_drop,
      " were allowed; ask for less sparsity, train longer, or allow more")));
}

void Job::evaluate() {
  save_artifacts();
  std::vector<std::unique_ptr<runtime::Engine>> engines;
  std::vector<runtime::Engine*> raw;
  for (const std::string& role : roles()) {
    engines.push_back(value_or_throw(runtime::Engine::load(folder(role))));
    raw.push_back(engines.back().get());
  }
  double own = std::numeric_limits<double>::quiet_NaN();
  std::vector<std::vector<Prediction>> predictions;
  for (size_t i = 0; i < raw.size(); ++i) {
    predictions.push_back(value_or_throw(predict_all(*raw[i], splits_.report, *task_, own, [&] {
      reporter_->step(static_cast<int64_t>(i), static_cast<int64_t>(raw.size()), {});
    })));
  }
  check_constraint(raw);
  auto latency = value_or_throw(single_row_latency(raw, splits_.report, kLatencyRows));

  double mean_tokens = 0;
  for (const Input& input : splits_.report.inputs)
    mean_tokens += static_cast<double>(input.tokens());
  int tokens = static_cast<int>(mean_tokens / static_cast<double>(splits_.report.size()) + 0.5);
  Json facts = {{"mean_tokens", tokens}};
  double dense_parameters = count(state_.dense->config, 1).encoder_parameters;
  for (size_t i = 0; i < raw.size(); ++i) {
    bool compressed = roles()[i] == "compressed";
    const Model& model = compressed ? state_.model : *state_.dense;
    Column column;
    column.config = model.config;
    if (labelled_) column.metrics = task_->evaluate(predictions[i], splits_.report);
    column.latency = latency[i];
    column.macs = mean_macs(model.config, splits_.report, {});
    column.mean_exit_layer = mean_exit_layer(predictions[i]);
    column.nonzero_parameters = nonzero_parameters(model);
    column.bytes = std::filesystem::file_size(folder(roles()[i]) + "/model.safetensors");
    if (compressed && exit_ != nullptr) {
      column.exit_threshold = raw[i]->info().exit_threshold;
      column.macs_with_exits = mean_macs(model.config, splits_.report, predictions[i]);
    }
    facts[roles()[i]] = column_json(column, dense_parameters);
  }
  if (labelled_ && compresses()) {
    PairedTest test = task_->paired_test(predictions[0], predictions[1], splits_.report);
    facts["paired_test"] = {{"name", test.name}, {"p", test.p_value}};
  }
  state_.facts["evaluate"].update(facts);
  reporter_->step(static_cast<int64_t>(raw.size()), static_cast<int64_t>(raw.size()), {});
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
  if (measured.contains("constraint")) report["constraint"] = measured["constraint"];
  report["data"] = {{"splits", splits},          {"sha256", digests},
                    {"max_length", max_length_}, {"truncated", truncated},
                    {"left_out", left_out},      {"mean_tokens", measured.at("mean_tokens")}};
  if (!class_weights_.empty()) {
    report["data"]["class_weights"] =
        class_weights_json(input_.dataset->class_weights, class_weights_, splits_.label_names);
  }
  for (const std::string& role : roles()) report[role] = measured.at(role);
  if (measured.contains("paired_test")) report["paired_test"] = measured["paired_test"];

  JobOutput out;
  save_artifacts();
  for (const std::string& role : roles()) {
    throw_if_error(write_file(folder(role) + "/report.json", report.dump(2) + "\n"));
    throw_if_error(write_file(folder(role) + "/README.md", model_card(report, role)));
    out.artifacts.push_back({folder(role), task_->name(), summary_of(report, role)});
  }
  return out;
}

}  // namespace espalier
