#include "core/distill/soft_labels.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/method/shares.h"
#include "core/model/task_loss.h"

namespace espalier {

Tensor kl_with_temperature(const Tensor& student, const Tensor& teacher, double temperature,
                           const Tensor& counts) {
  Tensor log_q = at::log_softmax(student.to(at::kFloat) / temperature, -1);
  Tensor log_p = at::log_softmax(teacher.to(at::kFloat) / temperature, -1);
  Tensor rows = (log_p.exp() * (log_p - log_q)).sum(-1);
  const double scale = temperature * temperature;
  if (!counts.defined()) return rows.mean() * scale;
  Tensor weight = counts.to(rows.options());
  return (rows * weight).sum() / weight.sum().clamp_min(1) * scale;
}

Tensor binary_kl_with_temperature(const Tensor& student, const Tensor& teacher,
                                  double temperature) {
  // Yes and no as two classes whose logits are x and 0.
  auto two = [](const Tensor& x) { return at::stack({x, at::zeros_like(x)}, -1); };
  return kl_with_temperature(two(student), two(teacher), temperature);
}

Tensor word_kl_with_temperature(const Trace& student, const Trace& teacher, const Batch& batch,
                                double temperature) {
  Tensor loss = kl_with_temperature(student.logits, teacher.logits, temperature);
  const Tensor &ours = student.sentence_logits, &theirs = teacher.sentence_logits;
  if (!ours.defined() || !theirs.defined()) return loss;
  const Tensor known = batch.sentences.ne(kUncounted).to(ours.device());
  const Tensor sentences = kl_with_temperature(ours, theirs, temperature, known);
  const double share =
      batch.words_per_sentence / static_cast<double>(std::max<int64_t>(batch.units(), 1));
  return loss + sentences * known.sum() * share;
}

Tensor soft_answer_loss(Objective objective, const Trace& student, const Trace& teacher,
                        const Batch& batch, double temperature) {
  const Tensor &ours = student.logits, &theirs = teacher.logits;
  switch (objective) {
    case Objective::kValue:
      return at::mse_loss(ours.to(at::kFloat), theirs.to(at::kFloat));
    case Objective::kLabels:
      return binary_kl_with_temperature(ours, theirs, temperature);
    case Objective::kTokenClasses: {
      Tensor counts = batch.labels.ne(kUncounted).to(ours.device());
      return kl_with_temperature(ours, theirs, temperature, counts);
    }
    case Objective::kSpan:
      return kl_with_temperature(span_logits(ours, batch), span_logits(theirs, batch), temperature);
    case Objective::kWords:
      return word_kl_with_temperature(student, teacher, batch, temperature);
    case Objective::kClass:
      break;
  }
  return kl_with_temperature(ours, theirs, temperature);
}

void check_same_answers(Session& session, const std::string& owner) {
  const bool words = session.task().objective() == Objective::kWords;
  const auto answers = [&](const Model& model) {
    return words ? model.config.vocabulary : model.config.classes;
  };
  const int wanted = answers(session.model());
  for (size_t i = 0; i < session.teachers(); ++i) {
    const Teacher& teacher = session.teacher(i);
    if (answers(teacher.model) == wanted) continue;
    throw StatusError(absl::InvalidArgumentError(absl::StrCat(
        owner, " compares answers one by one: the student gives ", wanted,
        words ? " words" : " classes", ", the teacher \"", teacher.name, "\" ",
        answers(teacher.model), "; a teacher that was trained for the same labels would work")));
  }
}

Tensor cosine_distance(const Tensor& student, const Tensor& teacher) {
  return 1 - at::cosine_similarity(student, teacher, /*dim=*/-1).mean();
}

void SoftLabels::Options::read(OptionReader& reader) {
  reader.number("temperature", temperature, 0.1, 100, "Softens both distributions; 1 leaves them.");
  reader.number("weight", weight, 0, 100, "Weight of the soft-label loss.");
  reader.number("task_weight", task_weight, 0, 100, "Weight of the loss on the true labels.");
  reader.number("cosine", cosine, 0, 100,
                "Weight of the cosine distance between the last hidden states of each token.");
}

void SoftLabels::prepare(Session& session) {
  objective_ = session.task().objective();
  if (options_.cosine > 0) projection_.prepare(session);
}

Tensor SoftLabels::loss(const Pass& pass) {
  const Tensor answers = soft_answer_loss(objective_, pass.student, pass.teachers.trace(0),
                                          pass.batch, options_.temperature) *
                         options_.weight;
  if (options_.cosine == 0) return answers;
  const Tensor states = cosine_distance(projection_.forward(pass.student.hidden.back()),
                                        pass.teachers.trace(0).hidden.back());
  return answers + states * (options_.cosine * token_share(pass));
}

Needs SoftLabels::needs() const {
  Needs needs;
  needs.teachers = true;
  needs.answers = options_.weight > 0;
  needs.student.hidden = needs.teacher.hidden = options_.cosine > 0;
  return needs;
}

}  // namespace espalier
