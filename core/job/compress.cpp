#include "core/job/compress.h"

#include <algorithm>
#include <span>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "core/base/guard.h"
#include "core/base/random.h"
#include "core/exit/registry.h"
#include "core/job/curve.h"
#include "core/job/job.h"
#include "core/model/load.h"
#include "core/spec/labels.h"

namespace espalier {
namespace {

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

Examples plain_images(const ModelConfig& config) {
  Examples out;
  for (const uint8_t grey : {uint8_t{64}, uint8_t{128}, uint8_t{192}}) {
    Features image;
    image.input.pixels.assign(config.pixels(), grey);
    image.input.image_tokens = config.positions;
    out.add({}, {std::move(image)});
  }
  return out;
}

// Examples for a job without a data set: golden inputs and latencies need some.
Examples plain_examples(const Task& task, const Reading& reading) {
  if (task.reads() == Reads::kImage) return plain_images(*reading.config);
  Examples out;
  out.objective = task.objective();
  const float unknown = static_cast<float>(NextSentence::kNotKnown);
  for (const char* text :
       {"A short one.", "A sentence of a length that people often write in a review.",
        "Two clauses stand here, and the second is a little longer than the first one was."}) {
    Sample sample;
    sample.text = text;
    if (task.objective() == Objective::kSpan) {
      sample.text = "What stands here?";
      sample.pair = text;
      sample.has_pair = true;
    }
    if (task.objective() == Objective::kWords) sample.target = std::span(&unknown, 1);
    out.add(sample, value_or_throw(task.encode(reading, sample)));
  }
  if (out.size() == 0) {
    throw StatusError(absl::InvalidArgumentError(
        "the tokenizer has no word of three English sentences, which are all that is there to ask "
        "a model with; a data set would help"));
  }
  return out;
}

// "3 outputs (a, b, c)"; of many labels the first few.
std::string outputs_text(int outputs, const std::vector<std::string>& labels) {
  constexpr size_t kShown = 8;
  const std::span<const std::string> all(labels);
  std::string names = absl::StrJoin(all.first(std::min(all.size(), kShown)), ", ");
  if (all.size() > kShown) absl::StrAppend(&names, ", ...");
  return absl::StrCat(outputs, outputs == 1 ? " output" : " outputs",
                      names.empty() ? "" : absl::StrCat(" (", names, ")"));
}

std::string head_text(const ModelConfig& config) {
  if (config.classes == 0 && config.head != HeadKind::kMaskedLm) return "the model has no head";
  return absl::StrCat("the model's head (", task_of(config).value_or("of another task"), ") has ",
                      outputs_text(config.classes, config.label_names));
}

}  // namespace

Job::Job(const JobInput& input, const JobHooks& hooks) : input_(input), hooks_(hooks) {}

std::string Job::place() const {
  if (reporter_ == nullptr) return "starting";
  return absl::StrCat("phase ", reporter_->phase(), ", step ", reporter_->at_step());
}

std::vector<Job::Phase> Job::plan() {
  const bool prunes = !recipe_.pruner.name.empty();
  auto steps = [&](const TrainingSpec& spec) {
    return labelled_ && training_steps(spec, splits_.train.size()) > 0;
  };
  std::vector<Phase> phases;
  // Times first: a target that cannot be reached shows before anything is trained.
  if (prunes && aims_at_time()) phases.push_back({"measure", [this] { measure(); }});
  // The dense model is made ready: it is the baseline of the report and the teacher.
  phases.push_back({"finetune", [this] { finetune(); }});
  // Units leave while what stays learns to do without them; then the shapes really shrink.
  if (prunes) phases.push_back({"prune", [this] { prune(); }});
  // The smaller model, trained on.
  if (prunes && steps(recipe_.recover)) {
    for (size_t i = 0; i < recipe_.target.milestones.size(); ++i) {
      const std::string name = absl::StrCat("recover_", i + 1);
      phases.push_back({name, [this, name, i] {
                          if (i >= state_.milestones.size()) return;  // a search had one less
                          Milestone& one = state_.milestones[i];
                          recover(name, one.model, one.distillers);
                          state_.facts[name]["milestone"] = one.value;
                        }});
    }
    phases.push_back({"recover", [this] { recover("recover", state_.model, state_.distillers); }});
  }
  if (recipe_.search) phases.push_back({"choose", [this] { choose(); }});
  // Exits are trained on the final backbone.
  if (!recipe_.exit.name.empty()) phases.push_back({"exits", [this] { train_exits(); }});
  // Thresholds are chosen in the published precision, on rows that nothing was trained on.
  if (!recipe_.exit.name.empty()) phases.push_back({"calibrate", [this] { calibrate(); }});
  // The figures, on rows that nothing was chosen on.
  phases.push_back({"evaluate", [this] { evaluate(); }});
  return phases;
}

void Job::prepare() {
  recipe_ = value_or_throw(read_recipe(input_.recipe));
  labelled_ = input_.dataset.has_value();

  auto restored = load_checkpoint(input_.checkpoint_folder);
  resumed_ = restored.ok();
  if (resumed_) {
    state_ = *std::move(restored);
  } else {
    if (!absl::IsNotFound(restored.status())) throw StatusError(restored.status());
    state_.model = value_or_throw(load_hugging_face(input_.model_folder));
  }
  ModelConfig& config = state_.model.config;
  if (config.reads_images()) {
    max_length_ = config.positions;  // all of them have so many tokens
  } else {
    max_length_ = value_or_throw(text_length(recipe_, config.positions));
    tokenizer_ = value_or_throw(load_tokenizer(input_.model_folder));
  }
  if (labelled_) {
    load_data();
    if (!resumed_) fit_head();
  } else {
    const bool speaks = config.head == HeadKind::kMaskedLm;
    if (compresses() || (config.classes == 0 && !speaks)) {
      throw StatusError(
          absl::InvalidArgumentError("this job has no data set; only the dense recipe of a model "
                                     "with a task head works without one"));
    }
    if (speaks) config.label_names = next_sentence_names(config.classes > 0);
    // As in the reference's pipeline, questions have answers unless somebody says otherwise.
    if (config.spans) config.label_names.clear();
    task_ = value_or_throw(make_task(value_or_throw(task_of(config)), config.label_names));
    splits_.report = plain_examples(*task_, reading());
    splits_.label_names = config.label_names;
    std::vector<std::string>& names = splits_.label_names;
    if (!labels_name_outputs(task_->objective())) {
      names.clear();
    } else {
      while (static_cast<int>(names.size()) < config.classes)
        names.push_back(absl::StrCat("LABEL_", names.size()));
    }
  }
  Json& ran_on = state_.facts["compute_classes"];
  if (ran_on.empty() || ran_on.back() != compute_class()) ran_on.push_back(compute_class());
  load_teachers();
  if (!resumed_ && !recipe_.pruner.name.empty()) check_pruning();
  if (!recipe_.exit.name.empty()) {
    throw_if_error(check_exit_method(task_->kind(), recipe_.exit.name));
    if (config.layers.size() < 2) {
      throw StatusError(absl::InvalidArgumentError(
          absl::StrCat("early exits need at least 2 layers and the model has ",
                       config.layers.size(), "; choose the exit method \"none\"")));
    }
    exit_ = value_or_throw(exit_methods().make(recipe_.exit.name, recipe_.exit.options));
  }
}

Reading Job::reading() const { return {tokenizer_.get(), &state_.model.config, max_length_}; }

JobOutput Job::run() {
  prepare();
  std::vector<Phase> phases = plan();
  reporter_ = std::make_unique<Reporter>(hooks_, static_cast<int>(phases.size()));
  for (int i = state_.next_phase; i < static_cast<int>(phases.size()); ++i) {
    auto start = std::chrono::steady_clock::now();
    reporter_->begin_phase(phases[i].name, i + 1, std::exchange(opening_word_, ""));
    phases[i].run();
    trainer_.reset();
    state_.trainer.reset();
    Json& facts = state_.facts[phases[i].name];  // null when the phase had nothing to say
    const double before = facts.contains("seconds") ? facts["seconds"].get<double>() : 0;
    facts["seconds"] = before + seconds_since(start);
    state_.next_phase = i + 1;
    // What was timed is not timed again.
    checkpoint(nullptr, aims_at_time());
  }
  return publish();
}

void Job::checkpoint(const Trainer* trainer, bool due_now) {
  double pause = std::max(hooks_.checkpoint_seconds, 20 * last_write_seconds_);
  bool leaving = reporter_->preempted();
  if (!due_now && !leaving && seconds_since(last_checkpoint_) < pause) return;
  auto start = std::chrono::steady_clock::now();
  state_.trainer.reset();
  if (trainer != nullptr) {
    state_.trainer.emplace();
    trainer->save(*state_.trainer);
  }
  throw_if_error(save_checkpoint(input_.checkpoint_folder, state_));
  state_.trainer.reset();
  last_write_seconds_ = seconds_since(start);
  if (hooks_.checkpoint_written) throw_if_error(hooks_.checkpoint_written());
  last_checkpoint_ = std::chrono::steady_clock::now();
  if (leaving)
    throw StatusError(
        absl::AbortedError("preempted: a checkpoint is written, the job can go on elsewhere"));
}

Trainer* Job::train(Training training, Model& model, const std::function<void(Trainer&)>& stepped) {
  training.seed = recipe_.seed;
  training.task = task_.get();
  training.reading = reading();
  training.train = &splits_.train;
  training.unlabelled = &splits_.unlabelled;
  training.class_weights = class_weights_;
  training.tick = [this] { reporter_->step(0, 1, {}); };
  trainer_ =
      std::make_unique<Trainer>(model, training, state_.trainer ? &*state_.trainer : nullptr);
  state_.trainer.reset();
  if (training.spec.precision == Precision::kBf16 && !multiplies_bf16(model.device())) {
    reporter_->say(
        "this CPU has no bf16 instructions (AMX or AVX512_BF16): they are emulated, and fp32 would "
        "be faster");
  }
  while (!trainer_->done()) {
    trainer_->step();
    add_to_curve(state_.facts[training.phase]["curve"], trainer_->step_index(), trainer_->metrics(),
                 trainer_->evaluated());
    reporter_->step(trainer_->step_index(), trainer_->total_steps(), trainer_->metrics());
    if (stepped && !trainer_->done()) stepped(*trainer_);
    if (!trainer_->done()) checkpoint(trainer_.get(), false);
  }
  if (stepped) stepped(*trainer_);
  trainer_->finish();
  state_.facts[training.phase]["steps"] = trainer_->step_index();
  state_.facts[training.phase]["rows"] = trainer_->rows();
  for (const auto& [name, value] : trainer_->metrics()) state_.facts[training.phase][name] = value;
  return trainer_.get();
}

// The uploaded head serves this data set's labels, in their order, or a fresh one takes its place.
void Job::fit_head() {
  ModelConfig& config = state_.model.config;
  const std::vector<std::string> wanted =
      labels_name_outputs(task_->objective()) ? splits_.label_names : std::vector<std::string>();
  const int outputs = task_->outputs(static_cast<int>(wanted.size()));
  // Exits of an earlier job were trained for that job's labels and layers.
  state_.model.heads.clear();
  config.heads.clear();
  const bool spans = task_->objective() == Objective::kSpan;
  const ProblemType problem = problem_of(task_->objective());
  const bool solves = problem == ProblemType::kUnstated ||
                      config.problem == ProblemType::kUnstated || config.problem == problem;
  const bool fits = config.head == task_->head() && config.spans == spans && solves &&
                    config.classes == outputs &&
                    (wanted.empty() || state_.model.reorder_classifier(wanted));
  // A masked language model does without its next-sentence classifier, and nothing is fresh then.
  const bool only_drops =
      config.head == HeadKind::kMaskedLm && config.head == task_->head() && outputs == 0;
  if (!fits) {
    const std::string gap = absl::StrCat(head_text(config), " and the data set (", task_->name(),
                                         ") needs ", outputs_text(outputs, wanted));
    if (!finetunes() && !only_drops) {
      throw StatusError(absl::InvalidArgumentError(absl::StrCat(
          gap, "; let finetune.epochs be above 0, so that a fresh head can be trained")));
    }
    if (!only_drops) opening_word_ = absl::StrCat("a fresh head is trained: ", gap);
    state_.model.reset_classifier(outputs, derive_seed(recipe_.seed, "finetune", 0, 0, "head"),
                                  task_->head(), spans);
  }
  config.problem = problem;
  config.label_names = wanted;
}

bool Job::finetunes() const {
  return labelled_ && training_steps(recipe_.finetune, splits_.train.size()) > 0;
}

void Job::finetune() {
  if (finetunes()) {
    Training training;
    training.phase = "finetune";
    training.spec = recipe_.finetune;
    training.select = &splits_.select;
    train(training, state_.model);
    trainer_.reset();
  }
  state_.dense = state_.model.clone();
}

void Job::train_exits() {
  Training training;
  training.phase = "exits";
  training.spec = recipe_.exits;
  training.exit = exit_.get();
  train(training, state_.model);
  trainer_.reset();
}

absl::StatusOr<JobOutput> compress(const JobInput& input, const JobHooks& hooks) {
  Job job(input, hooks);
  absl::StatusOr<JobOutput> out =
      guard("job", [&]() -> absl::StatusOr<JobOutput> { return job.run(); });
  if (out.ok() || absl::IsCancelled(out.status()) || absl::IsAborted(out.status())) return out;
  return absl::Status(out.status().code(),
                      absl::StrCat(std::string(out.status().message()), " (", job.place(), ")"));
}

}  // namespace espalier
