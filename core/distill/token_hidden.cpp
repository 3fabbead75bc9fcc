#include "core/distill/token_hidden.h"

#include "core/distill/layer_map.h"
#include "core/method/shares.h"

namespace espalier {

Tensor token_distance(const Tensor& student, const Tensor& teacher, bool relative) {
  constexpr double kSmallest = 1e-12;  // of a token whose states are all 0
  Tensor error = (student - teacher).square().mean(-1);
  if (relative) error = error / teacher.square().mean(-1).clamp_min(kSmallest);
  return error.mean();
}

void TokenHidden::Options::read(OptionReader& reader) {
  reader.number("weight", weight, 0, 10000, "Weight of the distance of hidden states.");
  reader.boolean("relative", relative,
                 "Divide each token's distance by the mean square of the teacher's state.");
  read_projection_learning_rate(reader, projection_learning_rate);
}

TokenHidden::TokenHidden(const Options& options)
    : options_(options),
      projection_("token_hidden", Projection::Where::kWidthsDiffer,
                  options.projection_learning_rate) {}

Tensor TokenHidden::loss(const Pass& pass) {
  const std::vector<Tensor>& student = pass.student.hidden;
  const std::vector<Tensor>& teacher = pass.teachers.trace(0).hidden;
  const std::vector<int> taught_by =
      uniform_layers(static_cast<int>(student.size()), static_cast<int>(teacher.size()));
  std::vector<Tensor> layers;
  for (size_t i = 0; i < student.size(); ++i) {
    layers.push_back(
        token_distance(projection_.forward(student[i]), teacher[taught_by[i]], options_.relative));
  }
  return at::stack(layers).mean() * (options_.weight * token_share(pass));
}

Needs TokenHidden::needs() const {
  Needs needs;
  needs.teachers = needs.student.hidden = needs.teacher.hidden = true;
  return needs;
}

}  // namespace espalier
