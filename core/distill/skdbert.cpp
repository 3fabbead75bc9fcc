#include "core/distill/skdbert.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/random.h"
#include "core/distill/soft_labels.h"

namespace espalier {
namespace {

std::vector<double> figures_of(const Session& session) {
  std::vector<double> out;
  for (size_t i = 0; i < session.teachers(); ++i) {
    const Teacher& teacher = session.teacher(i);
    if (std::isnan(teacher.figure)) {
      throw StatusError(absl::FailedPreconditionError(absl::StrCat(
          "skdbert: sampling is \"teacher_rank\", but the teacher \"", teacher.name,
          "\" has no figure on the select split; with one, or with sampling \"listed\" (teachers "
          "stand in the recipe from the worst to the best) or \"uniform\" it would work")));
    }
    out.push_back(teacher.figure);
  }
  return out;
}

}  // namespace

std::vector<double> rank_chances(const std::vector<double>& figures) {
  const auto count = static_cast<double>(figures.size());
  std::vector<double> out;
  for (double figure : figures) {
    const auto below = std::count_if(figures.begin(), figures.end(),
                                     [figure](double other) { return other < figure; });
    const auto equal = std::count(figures.begin(), figures.end(), figure);
    const double rank = static_cast<double>(below) + (static_cast<double>(equal) + 1) / 2;
    out.push_back(rank / (count * (count + 1) / 2));
  }
  return out;
}

size_t drawn_teacher(const std::vector<double>& chances, uint64_t seed) {
  const double place = Random(seed).uniform();
  double sum = 0;
  for (size_t i = 0; i + 1 < chances.size(); ++i) {
    sum += chances[i];
    if (place < sum) return i;
  }
  return chances.size() - 1;
}

void SkdBert::Options::read(OptionReader& reader) {
  reader.string("sampling", sampling, {"uniform", "teacher_rank", "listed"},
                "Chances of the teachers: equal, by their own metric, or by their order in the "
                "recipe, the worst one first.");
  reader.number("temperature", temperature, 0.1, 100, "Softens both distributions; 1 leaves them.");
  reader.number("weight", weight, 0, 100, "Weight of the soft-label loss.");
  reader.number("task_weight", task_weight, 0, 100, "Weight of the loss on the true labels.");
}

void SkdBert::prepare(Session& session) {
  objective_ = session.task().objective();
  check_same_answers(session, "skdbert");
  std::vector<double> figures(session.teachers(), 0.0);
  if (options_.sampling == "listed") std::iota(figures.begin(), figures.end(), 0.0);
  if (options_.sampling == "teacher_rank" && figures.size() > 1) figures = figures_of(session);
  chances_ = rank_chances(figures);  // of equal figures: equal
}

void SkdBert::before_step(Session& session, const Step& step) {
  drawn_ = drawn_teacher(chances_, session.seed("skdbert", step.index));
}

Tensor SkdBert::loss(const Pass& pass) {
  return soft_answer_loss(objective_, pass.student, pass.teachers.trace(drawn_), pass.batch,
                          options_.temperature) *
         options_.weight;
}

Needs SkdBert::needs() const {
  Needs needs;
  needs.teachers = true;
  needs.answers = options_.weight > 0;
  return needs;
}

}  // namespace espalier
