#include "core/distill/soft_labels.h"

namespace espalier {

Tensor kl_with_temperature(const Tensor& student, const Tensor& teacher, double temperature) {
  Tensor log_q = at::log_softmax(student.to(at::kFloat) / temperature, -1);
  Tensor log_p = at::log_softmax(teacher.to(at::kFloat) / temperature, -1);
  return (log_p.exp() * (log_p - log_q)).sum(-1).mean() * (temperature * temperature);
}

void SoftLabels::Options::read(OptionReader& reader) {
  reader.number("temperature", temperature, 0.1, 100, "Softens both distributions; 1 leaves them.");
  reader.number("weight", weight, 0, 100, "Weight of the soft-label loss.");
  reader.number("task_weight", task_weight, 0, 100, "Weight of the loss on the true labels.");
}

Tensor SoftLabels::loss(const Pass& pass) {
  const Tensor& teacher = pass.teachers.trace(0).logits;
  return kl_with_temperature(pass.student.logits, teacher, options_.temperature) * options_.weight;
}

Needs SoftLabels::needs() const {
  Needs needs;
  needs.teachers = true;
  return needs;
}

}  // namespace espalier
