#include "core/distill/pkd.h"

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/distill/layer_map.h"
#include "core/method/shares.h"

namespace espalier {
namespace {

// [B] int64: each row's first token.
Tensor first_tokens(const Batch& batch, torch::Device device) {
  const std::vector<int64_t> offsets = batch.offsets();
  return torch::tensor(std::vector<int64_t>(offsets.begin(), offsets.end() - 1), torch::kInt64)
      .to(device);
}

}  // namespace

Tensor patient_distance(const Tensor& student, const Tensor& teacher) {
  constexpr double kSmallest = 1e-12;
  const auto unit = [](const Tensor& x) {
    return x * x.square().sum(-1, true).clamp_min(kSmallest).rsqrt();
  };
  return at::mse_loss(unit(student), unit(teacher));
}

void Pkd::Options::read(OptionReader& reader) {
  reader.number("weight", weight, 0, 100000, "Weight of the patient loss: the paper's beta.");
  reader.string("layers", layers, {"skip", "last"},
                "Teacher layers: evenly spread, or the last ones below the top.");
  read_projection_learning_rate(reader, projection_learning_rate);
}

Pkd::Pkd(const Options& options)
    : options_(options),
      projection_("pkd", Projection::Where::kWidthsDiffer, options.projection_learning_rate) {}

void Pkd::prepare(Session& session) {
  const int student = static_cast<int>(session.model().layers.size());
  const int teacher = static_cast<int>(session.teacher(0).model.layers.size());
  if (student < 2) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("pkd teaches the student's layers below its last one, and the student has ",
                     student, "; a deeper model, or the distiller token_hidden, would work")));
  }
  taught_by_ = options_.layers == "last" ? pkd_last_layers(student, teacher)
                                         : pkd_skip_layers(student, teacher);
  projection_.prepare(session);
}

Tensor Pkd::loss(const Pass& pass) {
  const std::vector<Tensor>& ours = pass.student.hidden;
  const std::vector<Tensor>& theirs = pass.teachers.trace(0).hidden;
  const Tensor firsts = first_tokens(pass.batch, ours.front().device());
  std::vector<Tensor> student, teacher;
  for (size_t i = 0; i < taught_by_.size(); ++i) {
    student.push_back(projection_.forward(ours[i].index_select(0, firsts)));
    teacher.push_back(theirs[taught_by_[i]].index_select(0, firsts));
  }
  return patient_distance(at::stack(student), at::stack(teacher)) *
         (options_.weight * row_share(pass));
}

Needs Pkd::needs() const {
  Needs needs;
  needs.teachers = needs.student.hidden = needs.teacher.hidden = true;
  return needs;
}

}  // namespace espalier
