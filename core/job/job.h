// One compression job in the making: what compress() holds while it runs its phases.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "core/artifact/artifact.h"
#include "core/data/dataset.h"
#include "core/job/checkpoint.h"
#include "core/job/compress.h"
#include "core/job/progress.h"
#include "core/job/report.h"
#include "core/runtime/engine.h"
#include "core/spec/recipe.h"
#include "core/train/trainer.h"

namespace espalier {

class Job {
 public:
  Job(const JobInput& input, const JobHooks& hooks);
  JobOutput run();
  // "phase prune, step 17": where a failure happened.
  std::string place() const;

 private:
  struct Phase {
    const char* name;
    void (Job::*run)();
  };
  // --- compress.cpp: the plan and the trainings
  void prepare();
  void load_data();  // load_data.cpp: task, splits and class weights
  std::vector<Phase> plan() const;
  void fit_head();
  Reading reading() const;
  bool finetunes() const;
  void finetune();
  void prune();
  void recover();
  void train_exits();
  Trainer* train(Training training);
  void checkpoint(const Trainer* trainer, bool due_now);
  // --- publish.cpp: what is measured and published, through the Engine
  void calibrate();
  void evaluate();
  // FAILED_PRECONDITION when the recipe's constraint on the metric does not hold on the select
  // split.
  void check_constraint(const std::vector<runtime::Engine*>& engines);
  void save_artifacts();
  std::string folder(const std::string& role) const;
  ArtifactSpec artifact_spec(bool with_exits) const;
  Golden golden(const Model& model) const;
  JobOutput publish();

  bool compresses() const { return !recipe_.pruner.name.empty() || !recipe_.exit.name.empty(); }
  // Roles in the order of the artifacts: the compressed model first.
  std::vector<std::string> roles() const;

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
  std::unique_ptr<Reporter> reporter_;
  JobState state_;
  std::unique_ptr<Trainer> trainer_;  // of the phase that just trained
  bool resumed_ = false;
  bool artifacts_saved_ = false;  // by this process, which may have taken the job up at its end
  std::chrono::steady_clock::time_point last_checkpoint_ = std::chrono::steady_clock::now();
  double last_write_seconds_ = 0;
};

// "Intel(R) Xeon(R) ..., 2 threads, torch 2.13.0": what a latency was measured on.
std::string machine_description();

}  // namespace espalier
