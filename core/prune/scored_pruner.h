// A pruner from a Score, a cubic ramp and a scope: units with the lowest value by cost go first,
// over all layers together, until the model has lost the wanted share of what is counted. What is
// gone stays gone.
#pragma once

#include "core/model/cost.h"
#include "core/prune/score.h"

namespace espalier {

struct RampOptions {
  double begin = 0.05;   // share of the steps before the first cut
  double end = 0.8;      // share of the steps at which the aim is reached; 0: before the first one
  int64_t interval = 8;  // steps between cuts
  void read(OptionReader& reader);
};

class ScoredPruner : public Pruner {
 public:
  ScoredPruner(std::string name, std::unique_ptr<Score> score, Scope scope, RampOptions ramp);

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  void after_backward(Session& session, const Step& step) override;
  void after_step(Session& session, const Step& step) override;
  void finish(Session& session) override;
  std::vector<Gates> gates(const Step& step, Mode mode) override;
  bool eligible() const override;
  double reached() const override { return reached_; }
  bool closes_units() const override { return scope_ != Scope::kWeight; }
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  // Masks of 1 for all units.
  Gates open_gates(const Model& model) const;
  // The gate that a unit's entries stand in, and these as a view; undefined where the gate is.
  static const Tensor& gate_of(const Gates& gates, const Unit& unit);
  static Tensor of_unit(const Tensor& gate, const Unit& unit);
  void observe(Session& session);
  // Closes units until this share of the cost is gone.
  void cut(Session& session, double sparsity);

  std::string name_;
  std::unique_ptr<Score> score_;
  Scope scope_;
  RampOptions ramp_;
  Aim aim_;
  std::vector<Unit> units_;
  std::unique_ptr<Cost> cost_;
  double reached_ = 0;  // sparsity of the last cut
  Gates gates_;         // masks of 0 and 1
  Gates live_;          // what the running step uses: the same values, with grad where asked for
};

}  // namespace espalier
