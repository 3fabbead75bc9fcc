// Units in an order that is drawn once: what any score has to beat.
#pragma once

#include "core/base/random.h"
#include "core/prune/score.h"

namespace espalier {

class RandomScore : public Score {
 public:
  void prepare(Session& session) override { seed_ = session.seed("random", 0); }
  // Times the cost, by which a cut divides: a head is as likely to go as a neuron.
  Tensor value(const Unit& unit, const Model&) const override {
    auto generator = at::detail::createCPUGenerator(derive_seed(seed_, unit.key(), 0, 0, "order"));
    return at::empty({unit.count}, at::kDouble).uniform_(0, 1, generator) * unit.cost;
  }

 private:
  uint64_t seed_ = 0;
};

}  // namespace espalier
