#include "core/prune/movement.h"

#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/method/schedule.h"
#include "core/model/cost.h"
#include "core/prune/reachable.h"

namespace espalier {
namespace {

// Of weights that a mask holds at 0: below any score that training reaches, and finite, for
// straight_through() takes it from itself. Its sigmoid is 0, so no penalty moves it.
constexpr double kMaskedScore = -1e4;
// Least share of a matrix that stays open in "soft".
constexpr double kLeastOfMatrix = 0.005;

// int(share of n), where what should be whole may lack a rounding.
int64_t whole_share(double share, double n) { return static_cast<int64_t>(share * n + 1e-6); }

}  // namespace

void Movement::Options::read(OptionReader& reader) {
  reader.string("mode", mode, {"hard", "soft"},
                "Masks in training: a share of the largest scores (hard), or all scores above a "
                "threshold, with a penalty on scores (soft).");
  reader.string("scope", scope, {"local", "global"},
                "Whether hard masks keep the same share of every matrix or the largest scores of "
                "all.");
  reader.number("ramp_begin", ramp_begin, 0, 1, "Share of the steps before the first cut.");
  reader.number("ramp_end", ramp_end, 0, 1, "Share of the steps at which the target is reached.");
  reader.number("score_learning_rate", score_learning_rate, 0, 10, "Learning rate of the scores.");
  reader.number("penalty", penalty, 0, 1e6,
                "What the mean sigmoid of the scores is multiplied by at the ramp's end (soft).");
  reader.number("threshold", threshold, 0, 1,
                "What a score's sigmoid must exceed at the ramp's end (soft).");
  reader.boolean("freeze_embeddings", freeze_embeddings, "Embeddings are not trained.");
}

absl::Status Movement::check(const ModelConfig& config) const {
  ESPALIER_RETURN_IF_ERROR(check_weights_count("movement", aim_, config));
  const Cost cost = aim_.cost_of(config);
  return check_reachable("movement", aim_.sparsity,
                         whole_weights(config) * cost.single_weight() / cost.dense());
}

void Movement::prepare(Session& session) {
  Model& model = session.model();
  const Cost cost = aim_.cost_of(model.config);
  throw_if_error(check(model.config));
  torch::NoGradGuard no_grad;
  weights_ = 0;
  model.for_each_linear([&](const std::string& name, Linear& linear) {
    if (linear.factored()) return;
    Tensor start = at::zeros_like(linear.weight.detach());
    if (linear.mask.defined()) start.masked_fill_(linear.mask.eq(0), kMaskedScore);
    scores_.add(name, start);
    weights_ += static_cast<double>(start.numel());
  });
  weights_gone_ = cost.dense() / cost.single_weight();
}

double Movement::ramp(const Step& step, double target) const {
  return cubic_sparsity(step.index, step.total, options_.ramp_begin, options_.ramp_end, target);
}

std::vector<Tensor> Movement::masks_at(double sparsity, bool global) const {
  if (scores_.all().empty()) return {};
  const double share = 1 - sparsity * weights_gone_ / weights_;
  const std::vector<Tensor> scores = scores_.tensors();
  if (global) return top_masks(scores, whole_share(share, weights_));
  std::vector<Tensor> masks;
  for (const Tensor& s : scores)
    masks.push_back(top_mask(s, whole_share(share, static_cast<double>(s.numel()))));
  return masks;
}

std::vector<Gates> Movement::gates(const Step& step, Mode mode) {
  const bool trains_now = mode == Mode::kTrain;
  std::vector<Tensor> masks;
  // Once the ramp has ended, the cut that is folded is what goes on being trained.
  if (soft() && trains_now && ramp(step, 1) < 1) {
    for (const Tensor& s : scores_.tensors())
      masks.push_back(threshold_mask(s, ramp(step, options_.threshold), kLeastOfMatrix));
  } else {
    masks = masks_at(ramp(step, aim_.sparsity), soft() || options_.scope == "global");
  }
  Gates out;
  size_t next = 0;
  for (const auto& [name, score] : scores_.all()) {
    const Tensor& mask = masks[next++];
    out.weight[name] = trains_now ? straight_through(mask, score) : mask;
  }
  return {out};
}

Tensor Movement::penalty(const Step& step) {
  const double weight = ramp(step, options_.penalty);
  if (!soft() || weight == 0 || scores_.all().empty()) return {};
  return mean_sigmoid(scores_.tensors()) * weight;
}

void Movement::after_step(Session&, const Step& step) {
  reached_ = ramp(Step{step.index + 1, step.total, {}}, aim_.sparsity);
}

bool Movement::trains(const std::string& name) const {
  return !options_.freeze_embeddings || !name.starts_with("embeddings.");
}

std::vector<ParamGroup> Movement::parameters() {
  return {scores_.parameters("movement.scores", options_.score_learning_rate)};
}

void Movement::save(State& state) const {
  scores_.save(state);
  state.json["reached"] = reached_;
}

void Movement::load(const State& state) {
  scores_.load(state);
  reached_ = state.json.at("reached").get<double>();
}

}  // namespace espalier
