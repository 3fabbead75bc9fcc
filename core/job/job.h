// One compression job in the making: what compress() holds while it runs its phases.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/artifact/artifact.h"
#include "core/data/dataset.h"
#include "core/job/checkpoint.h"
#include "core/job/compress.h"
#include "core/job/constraint.h"
#include "core/job/latency.h"
#include "core/job/progress.h"
#include "core/job/report.h"
#include "core/runtime/engine.h"
#include "core/spec/recipe.h"
#include "core/train/trainer.h"

namespace espalier {

// Roles, and columns of the report. Milestones of the target stand between the two, by number.
inline constexpr char kCompressed[] = "compressed", kDense[] = "dense";
// The column of the first role's model with fp32's weights: what its precision cost. It is measured
// like an artifact and not published.
inline constexpr char kInFp32[] = "in_fp32";

class Job {
 public:
  Job(const JobInput& input, const JobHooks& hooks);
  JobOutput run();
  // "phase prune, step 17": where a failure happened.
  std::string place() const;

 private:
  struct Phase {
    std::string name;
    std::function<void()> run;
  };
  // --- compress.cpp: the plan and the trainings
  void prepare();
  void load_data();  // load_data.cpp: task, splits and class weights
  std::vector<Phase> plan();
  void fit_head();
  Reading reading() const;
  bool finetunes() const;
  void finetune();
  void train_exits();
  // `stepped`: called after each step, before a checkpoint may be written, and once at the end.
  Trainer* train(Training training, Model& model,
                 const std::function<void(Trainer&)>& stepped = {});
  void checkpoint(const Trainer* trainer, bool due_now);
  // --- prune.cpp: what a dense model teaches
  using Distillers = std::vector<std::unique_ptr<Distiller>>;
  // `states`: what the same ones had learnt in an earlier phase, or none.
  Distillers make_distillers(const std::vector<State>& states) const;
  void check_pruning();
  // --- teachers.cpp
  // Those of the input. INVALID_ARGUMENT where one cannot teach this job.
  void load_teachers();
  // All of them in their order, with the job's own, which is there once it is fine-tuned.
  const std::vector<Teacher>& teachers();
  Training taught(const std::string& phase, const TrainingSpec& spec, const Distillers& distillers);
  void prune();
  // If the recipe wants it: output matrices of what is left, solved again where that is no worse.
  void refit(const Gates& gates, const Trainer& trainer);
  // The model without what the gates closed, proven to answer as it did with them.
  Model fold_proven(const Gates& gates, FoldMap& map);
  // Trains on what a fold left.
  void recover(const std::string& phase, Model& model, const std::vector<State>& learnt);
  // --- milestones.cpp: models on the way to the target
  // The target's, with a stop at the next milestone.
  Aim aim_with_stop() const;
  // Takes the model as it is for each milestone that the pruner has come to; for all that are left
  // once the training is done.
  void pass_milestones(Trainer& trainer, Pruner& pruner, const Distillers& distillers);
  void take_milestone(double value, Trainer& trainer, Pruner& pruner, const Distillers& distillers);
  // Of the constraint's search: the smallest that keeps it stays, alone.
  void choose();
  // --- target.cpp: what the pruner aims at
  void measure();
  bool aims_at_time() const;
  LatencyProfile latency_profile(Precision precision) const;
  Aim aim(double value) const;  // of the target's kind
  double wanted_milliseconds(double value) const;
  // INVALID_ARGUMENT where the pruner cannot reach the aim, or nothing has to go for it.
  void check_aim();
  // The gates to fold once they are settled: of a goal of the target's kind, which is met if it is
  // a time (meet_time.h).
  Gates meet_target(double value, Trainer& trainer, Pruner& pruner);
  // For the report: what was asked for, and what an artifact has, whose column and engine it is.
  Json reached_target(const std::string& role, const Json& column, runtime::Engine& engine,
                      runtime::Engine& dense) const;
  // --- evaluate.cpp: what is measured, through the Engine
  void calibrate();
  void evaluate();
  // What evaluate() measures: an artifact, or what is measured like one.
  struct Subject {
    std::string name, role, folder;  // name: of its column
    // Every figure is of products in the precision that is published, but for times: those are of
    // `serving`, the engine that serves here, which is null where it is the same.
    std::unique_ptr<runtime::Engine> engine, serving;
    std::vector<Prediction> predictions;  // of the report split
    Latency latency;
  };
  // Of the artifact in folder(name), saved in this precision.
  Subject subject(const std::string& name, const std::string& role, Precision precision) const;
  Column column_of(const Subject& subject) const;
  // What the report says of the two together.
  Json beside_fp32(const Subject& published, const Subject& in_fp32) const;
  // FAILED_PRECONDITION when the recipe's constraint on the metric does not hold on the select
  // split and on the report split, between the compressed model and the dense one.
  void check_constraint(const std::vector<Subject>& subjects);
  // Of the constraint's metric, from what the two say to the examples.
  MetricDrop drop_between(const std::vector<Prediction>& dense, const std::vector<Prediction>& made,
                          const Examples& examples) const;
  // --- publish.cpp: what is published
  void save_artifacts();
  // As the artifact of a role, in any precision.
  void save(const std::string& role, Precision precision, const std::string& folder) const;
  std::string folder(const std::string& role) const;
  const Model& model(const std::string& role) const;
  // The recipe's for the first role; a dense model beside it stays what it was trained as, so that
  // the comparison shows all that was lost.
  Precision precision(const std::string& role) const;
  ArtifactSpec artifact_spec(const std::string& role, Precision precision) const;
  // `stored`: as_stored().
  Golden golden(const Model& stored, Precision precision) const;
  JobOutput publish();

  bool compresses() const { return !recipe_.pruner.name.empty() || !recipe_.exit.name.empty(); }
  // Roles in the order of the artifacts: the compressed model first, the dense one last.
  std::vector<std::string> roles() const;
  // Which of the milestones that were taken has this role, and that role.
  std::optional<size_t> milestone_of(const std::string& role) const;
  static std::string milestone_role(size_t milestone);

  const JobInput& input_;
  const JobHooks& hooks_;
  RecipeSpec recipe_;
  int max_length_ = 0;  // tokens of the longest input
  std::unique_ptr<Tokenizer> tokenizer_;
  std::unique_ptr<Task> task_;
  Splits splits_;
  std::vector<double> class_weights_;  // by label id; empty: all the same
  bool labelled_ = false;
  std::unique_ptr<ExitMethod> exit_;
  std::vector<Teacher> teachers_;  // but for the weights of the job's own, from the start
  std::unique_ptr<Reporter> reporter_;
  JobState state_;
  std::unique_ptr<Trainer> trainer_;  // of the phase that just trained
  bool resumed_ = false;
  std::string opening_word_;      // for the progress of the first phase
  bool artifacts_saved_ = false;  // by this process, which may have taken the job up at its end
  std::chrono::steady_clock::time_point last_checkpoint_ = std::chrono::steady_clock::now();
  double last_write_seconds_ = 0;
};

// "Intel(R) Xeon(R) ..., 2 threads, torch 2.13.0": what a latency was measured on.
std::string machine_description();

}  // namespace espalier
