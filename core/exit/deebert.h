// DeeBERT (Xin et al., ACL 2020, arXiv 2004.12993), the part that trains: an exit head after every
// layer but the last (own pooler, tanh, classifier), trained on a frozen backbone with the sum of
// their cross-entropies, equal weights; labels may have weights, as in task_loss(). The first stage
// of the paper (backbone and final classifier) is our ordinary fine-tuning or recovery before it.
//
// Differences: the head of the last layer does not exist (the paper trains it with no loss and
// still tests it); entropy comes from log_softmax (the released code gives NaN or overflows).
#pragma once

#include "core/method/method.h"

namespace espalier {

class DeeBert : public ExitMethod {
 public:
  struct Options {
    void read(OptionReader&) {}
  };
  explicit DeeBert(Options) {}
  void prepare(Session& session) override;
  Tensor loss(const Pass& pass) override;
  double task_weight(const Step&) const override { return 0; }
  bool trains(const std::string& name) const override { return name.starts_with("exits."); }
  Needs needs() const override;
  // Entropy in nats: 0 never leaves; above ln C everybody leaves at once.
  Range range(int classes, int layers) const override;
  std::vector<double> candidates(int classes, int layers) const override;
};

}  // namespace espalier
