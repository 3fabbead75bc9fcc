// ZipLM (Kurtic, Frantar & Alistarh 2023, arXiv 2302.04089): heads and neurons leave in a few
// shots; at each, what is left of every sub-layer's output matrix is solved anew so that its output
// changes least, and how much each sub-layer loses follows from that error and from what its units
// cost.
//
// A shot: second moments of the inputs (input_moments.h) on rows of the training data through the
// model as it is; each sub-layer's error by the number of its units (sublayer_curve.h); numbers of
// units for which the model reaches the shot's share of the aim, by dynamic programming (levels.h);
// closed gates, and other weights in `output` and `down`. What is gone stays gone. The paper fine-
// tunes between shots with the distillers soft_labels and token_hidden.
//
// With `search`, SPDY's local search as the paper has it: sensitivities of the sub-layers, at first
// all 1, of which each try draws a tenth anew in [0,1); the knapsack is solved with them, and they
// stay if the model's answers come nearer to those from before the shot, in mean squared distance
// of the logits, which every task has (the paper: calibration loss).
//
// Where we differ, or the paper is silent: shots follow one aim (theirs are targets of their own,
// each a model to keep), each taking the same share of what the one before left; a shot's moments
// are taken with the gates of those before; the bias takes part (sublayer_curve.h), and first
// tokens weigh more in the last layer where nothing else is read (token_weights()). Whole sub-
// layers go with bias and norm, while their error counts as 1, that of an output of zeros. Heads
// have a level for each number, neurons the paper's grid, each level 0.9 of the one above.
//
// A sub-layer that goes as a whole keeps its weights: nobody reads them, and where a caller takes
// earlier gates after all (meet_time.h) it is still what it was. Otherwise columns of closed units
// are 0, so that until the next step earlier gates give the same answers as the last ones.
#pragma once

#include <memory>

#include "core/method/method.h"
#include "core/prune/levels.h"
#include "core/prune/sublayer_curve.h"

namespace espalier {

class ZipLm : public Pruner {
 public:
  struct Options {
    int64_t shots = 1;
    double begin = 0, end = 0.5;  // shares of the steps at the first and the last shot
    int64_t rows = 1024, search = 0;
    double damp = 1e-3, shrink = 0.9;
    void read(OptionReader& reader);
  };
  explicit ZipLm(const Options& options) : options_(options) {}

  void aim(const Aim& aim) override { aim_ = aim; }
  absl::Status check(const ModelConfig& config) const override;
  void prepare(Session& session) override;
  void after_step(Session& session, const Step& step) override;
  void finish(Session& session) override;
  std::vector<Gates> gates(const Step&, Mode) override { return {gates_}; }
  bool eligible() const override;
  double reached() const override { return reached_; }
  void save(State& state) const override;
  void load(const State& state) override;

 private:
  struct Sublayer {
    int layer;
    bool ffn;
    SublayerCurve curve;
    std::vector<Level> levels;
    const Linear& in(const Model& model) const {
      return ffn ? model.layers[layer].down : model.layers[layer].output;
    }
  };
  using Sublayers = std::vector<Sublayer>;
  using Places = std::vector<int64_t>;  // of one level in each

  // How many shots there are to be after this share of the steps, and the share of the cost that
  // is gone after so many.
  int64_t due(double done) const;
  double share_after(int64_t shot) const;
  // After this share of the steps.
  void shoot_if_due(Session& session, double done);
  // What it gave other values in the model.
  std::vector<Tensor> shoot(Session& session, double share);

  Gates open_gates(const Model& model) const;
  Sublayers sublayers(const Model& model, std::span<const Batch> batches) const;
  Places chosen(Session& session, Sublayers& sublayers, std::span<const Batch> batches,
                double budget) const;
  Gates closed(const Sublayers& sublayers, const Places& places) const;

  Options options_;
  Aim aim_;
  std::shared_ptr<const CostFunction> function_;
  std::unique_ptr<Cost> cost_;
  Gates gates_;         // masks of 0 and 1
  int64_t draw_ = 0;    // the next of Session::sample()
  double reached_ = 0;  // share of the last shot
};

}  // namespace espalier
