// A job's state on disk: which phase comes next, the models so far, what was measured, and, in the
// middle of a phase, the trainer. Every file is content that a later checkpoint need not send
// again.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/method/state.h"
#include "core/model/model.h"

namespace espalier {

// A model that was taken on the way to the target, and what its distillers had learnt by then.
struct Milestone {
  double value = 0;  // of the target's kind
  Model model;
  std::vector<State> distillers;
};

struct JobState {
  int next_phase = 0;            // index into the plan of phases
  Model model;                   // what is being made
  std::optional<Model> dense;    // the fine-tuned model, once there is one
  std::optional<State> trainer;  // set in the middle of a phase
  // What the recipe's distillers had learnt when the model was folded, in their order.
  std::vector<State> distillers;
  std::vector<Milestone> milestones;
  size_t passed = 0;            // of the milestones of the recipe's target
  Json facts = Json::object();  // figures and seconds of finished phases, by phase
};

// Replaces the checkpoint in `folder` as a whole: a reader sees the old one or the new one.
absl::Status save_checkpoint(const std::string& folder, const JobState& state);
// NOT_FOUND when there is none.
absl::StatusOr<JobState> load_checkpoint(const std::string& folder);

}  // namespace espalier
