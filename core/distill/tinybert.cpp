#include "core/distill/tinybert.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/distill/layer_map.h"
#include "core/distill/soft_labels.h"
#include "core/method/shares.h"
#include "core/model/task_loss.h"

namespace espalier {
namespace {

// Scores that are no padding, of one head.
int64_t score_entries(const Batch& batch) {
  int64_t entries = 0;
  for (int64_t n : batch.lengths) entries += n * n;
  return entries;
}

// As token_share(), for means over score_entries().
double score_share(const Pass& pass) {
  int64_t entries = 0, answers = 0;
  for (const Batch& batch : pass.step.micro) {
    entries += score_entries(batch);
    answers += batch.answers();
  }
  const int64_t own = pass.batch.answers();
  if (own == 0 || entries == 0) return 0;
  return static_cast<double>(score_entries(pass.batch)) / static_cast<double>(entries) *
         (static_cast<double>(answers) / static_cast<double>(own));
}

std::string outputs_of(const ModelConfig& config) {
  if (config.head == HeadKind::kMaskedLm) return absl::StrCat(config.vocabulary, " words");
  return absl::StrCat(config.classes, config.head == HeadKind::kToken ? " for each token" : "");
}

// The prediction stage compares answers.
absl::Status check_outputs(const ModelConfig& student, const ModelConfig& teacher) {
  const std::string ours = outputs_of(student), theirs = outputs_of(teacher);
  if (ours == theirs) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("tinybert's prediction stage needs a teacher with the student's outputs (", ours,
                   "), and this one's are ", theirs,
                   "; a teacher of the same task, or stage \"intermediate\", would work"));
}

// Scores pair by head.
absl::Status check_heads(const ModelConfig& student, const ModelConfig& teacher) {
  if (student.original_heads == teacher.original_heads) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(
      "tinybert compares attention head by head, and the student was made with ",
      student.original_heads, " heads a layer, the teacher with ", teacher.original_heads,
      "; a teacher with as many, or attention_weight 0, would work"));
}

Tensor places(const std::vector<int64_t>& index, torch::Device device) {
  return torch::tensor(index, torch::kInt64).to(device);
}

}  // namespace

HeadPairs paired_heads(const std::vector<int>& student, const std::vector<int>& teacher) {
  HeadPairs out;
  for (size_t i = 0; i < student.size(); ++i) {
    const auto found = std::find(teacher.begin(), teacher.end(), student[i]);
    if (found == teacher.end()) continue;
    out.student.push_back(static_cast<int64_t>(i));
    out.teacher.push_back(found - teacher.begin());
  }
  return out;
}

Tensor score_distance(const Tensor& student, const Tensor& teacher, const Tensor& ours,
                      const Tensor& theirs, int64_t entries, const Tensor& gate) {
  const Tensor gap = student.index_select(1, ours) - teacher.index_select(1, theirs);
  const Tensor heads = gap.square().flatten(2).sum(2).sum(0);  // [n]
  const auto count = static_cast<double>(entries);
  if (!gate.defined()) return heads.mean() / count;
  const Tensor open = gate.detach().ne(0).to(heads.scalar_type());
  return (heads * open).sum() / (open.sum().clamp_min(1) * count);
}

Tensor soft_cross_entropy(const Tensor& student, const Tensor& teacher, const Tensor& counts) {
  const Tensor log_q = at::log_softmax(student.to(at::kFloat), -1);
  const Tensor p = at::softmax(teacher.to(at::kFloat), -1);
  const Tensor rows = -(p * log_q).mean(-1);
  if (!counts.defined()) return rows.mean();
  const Tensor weight = counts.to(rows.scalar_type());
  return (rows * weight).sum() / weight.sum().clamp_min(1);
}

void TinyBert::Options::read(OptionReader& reader) {
  reader.string("stage", stage, {"both", "intermediate", "prediction"},
                "Which stages are run; both: one after the other.");
  reader.number("intermediate_share", intermediate_share, 0, 1,
                "Share of the steps that are the intermediate stage's, of both.");
  reader.number("attention_weight", attention_weight, 0, 10000,
                "Weight of attention scores against hidden states.");
  read_projection_learning_rate(reader, projection_learning_rate);
}

TinyBert::TinyBert(const Options& options)
    : options_(options),
      projection_("tinybert", Projection::Where::kAlways, options.projection_learning_rate) {}

void TinyBert::prepare(Session& session) {
  const Model &student = session.model(), &teacher = session.teacher(0).model;
  objective_ = session.task().objective();
  // Of numbers the teacher's are not asked for.
  if (sees_answers() && objective_ != Objective::kValue)
    throw_if_error(check_outputs(student.config, teacher.config));
  if (sees_scores()) throw_if_error(check_heads(student.config, teacher.config));
  if (!sees_states()) return;
  projection_.prepare(session);
  const std::vector<int> taught_by = uniform_layers(static_cast<int>(student.layers.size()),
                                                    static_cast<int>(teacher.layers.size()));
  pairs_.clear();
  for (int i = 0; i < static_cast<int>(taught_by.size()); ++i) {
    LayerPair pair{i, taught_by[i]};
    const HeadPairs heads = paired_heads(student.config.layers[i].kept_heads,
                                         teacher.config.layers[pair.teacher].kept_heads);
    if (!heads.student.empty()) {
      pair.ours = places(heads.student, student.device());
      pair.theirs = places(heads.teacher, student.device());
    }
    pairs_.push_back(std::move(pair));
  }
}

bool TinyBert::is_intermediate(const Step& step) const {
  if (options_.stage != "both") return sees_states();
  return static_cast<double>(step.index) <
         options_.intermediate_share * static_cast<double>(step.total);
}

double TinyBert::task_weight(const Step& step) const {
  return !is_intermediate(step) && objective_ == Objective::kValue ? 1 : 0;
}

Tensor TinyBert::loss(const Pass& pass) {
  if (!is_intermediate(pass.step)) return prediction_loss(pass);
  const Trace& teacher = pass.teachers.trace(0);
  const Tensor states = state_loss(pass.student, teacher) * token_share(pass);
  if (!sees_scores()) return states;
  const Tensor scores = score_loss(pass, teacher);
  if (!scores.defined()) return states;
  return states + scores * (options_.attention_weight * score_share(pass));
}

Tensor TinyBert::state_loss(const Trace& student, const Trace& teacher) const {
  Tensor sum = at::mse_loss(projection_.forward(student.embedding), teacher.embedding);
  for (const LayerPair& pair : pairs_) {
    sum = sum + at::mse_loss(projection_.forward(student.hidden[pair.student]),
                             teacher.hidden[pair.teacher]);
  }
  return sum;
}

// Undefined where no two heads can be compared.
Tensor TinyBert::score_loss(const Pass& pass, const Trace& teacher) const {
  const int64_t entries = score_entries(pass.batch);
  Tensor sum;
  for (const LayerPair& pair : pairs_) {
    const Tensor& ours = pass.student.attention[pair.student];
    const Tensor& theirs = teacher.attention[pair.teacher];
    if (!ours.defined() || !theirs.defined() || !pair.ours.defined()) continue;
    Tensor gate;
    if (pass.gates.head.defined()) gate = pass.gates.head[pair.student].index_select(0, pair.ours);
    const Tensor part = score_distance(ours, theirs, pair.ours, pair.theirs, entries, gate);
    sum = sum.defined() ? sum + part : part;
  }
  return sum;
}

Tensor TinyBert::prediction_loss(const Pass& pass) const {
  if (objective_ == Objective::kValue) return {};  // the task's loss is this stage's
  const Trace& taught = pass.teachers.trace(0);
  const Tensor &student = pass.student.logits, &teacher = taught.logits;
  switch (objective_) {
    case Objective::kLabels:
      return at::binary_cross_entropy_with_logits(student.to(at::kFloat),
                                                  at::sigmoid(teacher.to(at::kFloat)));
    case Objective::kTokenClasses:
      return soft_cross_entropy(student, teacher,
                                pass.batch.labels.ne(kUncounted).to(student.device()));
    case Objective::kSpan:
      return kl_with_temperature(span_logits(student, pass.batch), span_logits(teacher, pass.batch),
                                 1);
    case Objective::kWords:
      return word_kl_with_temperature(pass.student, taught, pass.batch, 1);
    case Objective::kValue:
    case Objective::kClass:
      break;
  }
  return soft_cross_entropy(student, teacher);
}

Needs TinyBert::needs() const {
  Needs needs;
  needs.teachers = true;
  needs.answers = sees_answers();
  needs.student.hidden = sees_states();
  if (sees_scores()) needs.student.attention = RecordAttention::kScores;
  needs.teacher = needs.student;
  return needs;
}

}  // namespace espalier
