// compress(): one job from a model folder, a data set and a recipe to artifact folders. This header
// has no torch in it: the worker, which speaks protobuf, includes it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/dataset_spec.h"

namespace espalier {

// A model that teaches.
struct TeacherInput {
  std::string name;
  std::string folder;  // a Hugging Face folder; empty: the job's own dense model
};

struct JobInput {
  std::string model_folder;  // a Hugging Face folder
  std::optional<DatasetSpec>
      dataset;  // not set: the dense recipe of a model that is fine-tuned already
  std::vector<TeacherInput> teachers;  // none: the job's own dense model
  Json recipe;                         // resolved, see spec/recipe.h
  std::string checkpoint_folder;       // where checkpoints go; holds the one to resume from, if any
  std::string output_folder;           // artifacts go to <output_folder>/0, /1, ...
  std::string cache_folder;            // encoded examples between jobs; empty: none are kept
  std::string job_name;                // only written into report.json
};

struct JobProgress {
  std::string phase;
  int phase_index = 0, phases = 0;  // from 1
  int64_t step = 0, steps = 0;
  std::map<std::string, double> metrics;
  std::string message;
  bool phase_change = false;
};

// How a job talks to whoever runs it. All are called from the thread that called compress().
struct JobHooks {
  std::function<void(const JobProgress&)>
      progress;                     // at most about every second, and at phase changes
  std::function<bool()> cancelled;  // asked every step
  std::function<bool()> preempted;  // SIGTERM: checkpoint, then return ABORTED
  std::function<absl::Status()>
      checkpoint_written;                       // checkpoint_folder holds a whole new checkpoint
  std::function<void(const std::string&)> log;  // a line for the log of whoever runs the job
  double checkpoint_seconds = 60;               // at least so long between checkpoints
};

struct ArtifactOutput {
  std::string folder;
  std::string task;
  Json summary;  // short form of report.json
};

struct JobOutput {
  std::vector<ArtifactOutput> artifacts;
};

// CANCELLED when cancelled() said so; ABORTED after preempted(); INVALID_ARGUMENT,
// FAILED_PRECONDITION and DATA_LOSS are the job's own fault and are not worth another attempt; the
// rest may be. A failure message names phase and step.
absl::StatusOr<JobOutput> compress(const JobInput& input, const JobHooks& hooks);

// "cpu-avx512-2t-0.1.0": results are bit-identical when a job resumes within one class.
std::string compute_class();
// The registries as data, see spec/catalogue.h.
Json build_catalogue();

}  // namespace espalier
