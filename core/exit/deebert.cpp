#include "core/exit/deebert.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/model/task_loss.h"

namespace espalier {

void DeeBert::prepare(Session& session) {
  Model& model = session.model();
  if (!model.heads.empty()) return;  // a resumed run has them already
  for (int i = 0; i + 1 < static_cast<int>(model.layers.size()); ++i) {
    model.attach_head(absl::StrCat("exits.", i), i, model.config.classes,
                      session.seed("deebert.head", i));
  }
}

Tensor DeeBert::loss(const Pass& pass) {
  Tensor total;
  for (const Tensor& logits : pass.student.exit_logits) {
    Tensor loss = task_loss(Objective::kClass, logits, pass.batch);
    total = total.defined() ? total + loss : loss;
  }
  return total;
}

Needs DeeBert::needs() const {
  Needs needs;
  needs.student.exits = true;
  return needs;
}

ExitMethod::Range DeeBert::range(int classes, int) const { return {0, std::log(classes) + 0.01}; }

std::vector<double> DeeBert::candidates(int classes, int) const {
  std::vector<double> out = {0};
  for (int i = 1; i <= 60; ++i) out.push_back(std::log(classes) * i / 60.0);
  return out;
}

}  // namespace espalier
