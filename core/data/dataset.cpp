#include "core/data/dataset.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"
#include "core/data/carve.h"
#include "core/task/next_sentence.h"

namespace espalier {
namespace {

absl::StatusOr<std::vector<Features>> no_label(std::string_view split, Objective objective) {
  return absl::InvalidArgumentError(absl::StrCat(
      objective == Objective::kSpan
          ? "the question has no \"answers\"; every question needs them, an empty list where there "
            "is none"
          : "there is no label; every row needs one",
      split == kCalibrate ? "; only classes of whole rows can be calibrated without labels" : ""));
}

// Errors name the split and the row in its file, counted from 1, or the image.
absl::StatusOr<Examples> encode(const Rows& rows, std::span<const int64_t> which, const char* split,
                                const Task& task, const Reading& reading) {
  const bool needs_label =
      split != std::string_view(kUnlabelled) && !may_lack_labels(task.objective(), split);
  Examples out;
  out.objective = task.objective();
  for (size_t place = 0; place < which.size(); ++place) {
    const int64_t i = which[place];
    Sample sample = sample_of(rows, i);
    float follows = 0;
    if (rows.pairs_follow) {
      const SecondText second = draw_second_text(rows, which, place);
      sample.pair = text_of(rows.pair, second.row);
      follows = static_cast<float>(second.label);
      sample.target = std::span(&follows, 1);
    }
    absl::StatusOr<std::vector<Features>> windows = needs_label && sample.target.empty()
                                                        ? no_label(split, task.objective())
                                                        : task.encode(reading, sample);
    if (!windows.ok()) {
      return absl::Status(windows.status().code(),
                          absl::StrCat("split '", split, "', ", row_name(rows, i), ": ",
                                       windows.status().message()));
    }
    out.add(sample, *windows);
  }
  return out;
}

// A split that has a file.
absl::StatusOr<Examples> encode_file(const DatasetSpec& spec, const char* split, const Task& task,
                                     const Reading& reading) {
  ESPALIER_ASSIGN_OR_RETURN(const Rows rows, read_split(spec, split));
  std::vector<int64_t> all(static_cast<size_t>(rows.size()));
  std::iota(all.begin(), all.end(), 0);
  return encode(rows, all, split, task, reading);
}

// The splits beside train that are carved from it where they have no file.
struct Part {
  const char* name;
  Examples Splits::*examples;
};
constexpr Part kParts[] = {
    {"select", &Splits::select}, {kCalibrate, &Splits::calibrate}, {"report", &Splits::report}};

absl::Status too_few_to_carve(const char* split, const Rows& train) {
  return absl::InvalidArgumentError(absl::StrCat(
      "split '", split, "' has no rows: train has ", train.size(),
      " and a tenth of it is carved for each missing split, so at least 10 are needed",
      train.answers.empty() ? "" : ", about as many contexts, whose questions stay together"));
}

absl::Status check_not_empty(const char* split, const Examples& examples) {
  if (examples.size() > 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      examples.left_out == 0
          ? absl::StrCat("split '", split, "' has no rows")
          : absl::StrCat("split '", split, "' has ", examples.left_out,
                         " rows, but none holds anything that a model could be asked for; "
                         "do their texts hold words of its vocabulary?"));
}

}  // namespace

Sample sample_of(const Rows& rows, int64_t i) {
  Sample out;
  if (!rows.text.empty()) out.text = text_of(rows.text, i);
  if (!rows.words.empty()) out.words = rows.words[i];
  if (!rows.images.empty()) out.image = text_of(rows.images, i);
  out.has_pair = !rows.pair.empty();
  if (out.has_pair) out.pair = text_of(rows.pair, i);
  if (!rows.answers.empty()) {
    const RightAnswers& right = rows.answers[static_cast<size_t>(i)];
    out.answers = right.texts;
    out.answer_begins = right.begins;
  }
  out.target = rows.targets[i];
  return out;
}

absl::StatusOr<Splits> load_splits(const DatasetSpec& spec, const Task& task,
                                   const Reading& reading) {
  Splits splits;
  splits.label_names = spec.label_names;
  ESPALIER_ASSIGN_OR_RETURN(Rows train, read_split(spec, "train"));
  const auto missing = std::count_if(std::begin(kParts), std::end(kParts), [&](const Part& part) {
    return !spec.splits.contains(part.name);
  });
  const Carved carved = carve_tenths(train, static_cast<int>(missing));
  auto next = carved.parts.begin();
  for (const Part& part : kParts) {
    Examples& out = splits.*part.examples;
    if (spec.splits.contains(part.name)) {
      ESPALIER_ASSIGN_OR_RETURN(out, encode_file(spec, part.name, task, reading));
    } else if (next->empty()) {
      return too_few_to_carve(part.name, train);
    } else {
      // The rows are train's, and so are their numbers in messages.
      ESPALIER_ASSIGN_OR_RETURN(out, encode(train, *next++, "train", task, reading));
    }
    ESPALIER_RETURN_IF_ERROR(check_not_empty(part.name, out));
  }
  if (carved.rest.empty()) return too_few_to_carve("train", train);
  // The sampler shuffles; encoding keeps the file's order.
  ESPALIER_ASSIGN_OR_RETURN(splits.train, encode(train, carved.rest, "train", task, reading));
  ESPALIER_RETURN_IF_ERROR(check_not_empty("train", splits.train));
  if (!spec.splits.contains(kUnlabelled)) return splits;
  ESPALIER_ASSIGN_OR_RETURN(splits.unlabelled, encode_file(spec, kUnlabelled, task, reading));
  ESPALIER_RETURN_IF_ERROR(check_not_empty(kUnlabelled, splits.unlabelled));
  return splits;
}

namespace {

using TargetsOfInputs = std::vector<std::span<const float>>;

std::vector<float> joined(const TargetsOfInputs& targets) {
  std::vector<float> out;
  for (const auto& target : targets) out.insert(out.end(), target.begin(), target.end());
  return out;
}

// The words asked for, and of each input the number that says whether its sentences follow.
void add_words(const TargetsOfInputs& targets, Batch& batch) {
  std::vector<int64_t> words, sentences;
  for (const auto& target : targets) {
    words.insert(words.end(), target.begin(), target.end() - 1);
    const bool known = target.back() != static_cast<float>(NextSentence::kNotKnown);
    sentences.push_back(known ? static_cast<int64_t>(target.back()) : kUncounted);
  }
  batch.labels = torch::tensor(words, torch::kInt64);
  batch.counted = static_cast<int64_t>(words.size());
  batch.sentences = torch::tensor(sentences, torch::kInt64);
  weigh_sentences({&batch, 1});
}

// A class for every token: how many count, and of how many of these the class is not known.
void count_tokens(const std::vector<float>& classes, Batch& batch) {
  const auto uncounted = std::count(classes.begin(), classes.end(), static_cast<float>(kUncounted));
  batch.counted = static_cast<int64_t>(classes.size()) - uncounted;
  batch.unlabelled = std::count(classes.begin(), classes.end(), kUnknownClass);
}

// Which rows have a label, where not all have.
void find_labelled(const TargetsOfInputs& targets, Batch& batch) {
  std::vector<int64_t> rows;
  for (size_t i = 0; i < targets.size(); ++i)
    if (!targets[i].empty()) rows.push_back(static_cast<int64_t>(i));
  batch.unlabelled = batch.rows() - static_cast<int64_t>(rows.size());
  if (batch.unlabelled > 0) batch.labelled = torch::tensor(rows, torch::kInt64);
}

// Batch::labels of the inputs' targets, and for how many of them there are some.
void add_labels(Objective objective, const TargetsOfInputs& targets, Batch& batch) {
  if (objective == Objective::kWords) return add_words(targets, batch);
  const std::vector<float> numbers = joined(targets);
  Tensor labels = torch::tensor(numbers, torch::kFloat32);
  if (objective == Objective::kTokenClasses) {
    count_tokens(numbers, batch);
  } else {
    find_labelled(targets, batch);
  }
  const int64_t rows = batch.rows() - batch.unlabelled;  // with labels, where rows have them
  switch (objective) {
    case Objective::kValue:
      batch.labels = labels;
      break;
    case Objective::kLabels:
      batch.labels = labels.view({rows, rows == 0 ? 0 : -1});
      break;
    case Objective::kSpan:
      batch.labels = labels.view({rows, 2}).to(torch::kInt64);
      break;
    case Objective::kTokenClasses:
    case Objective::kWords:
    case Objective::kClass:
      batch.labels = labels.to(torch::kInt64);
      break;
  }
}

}  // namespace

Batch make_batch(const Examples& examples, std::span<const int64_t> inputs, bool with_labels) {
  std::vector<InputView> read;
  TargetsOfInputs targets;
  for (int64_t i : inputs) {
    read.push_back(examples.input(i));
    targets.push_back(examples.targets[i]);
  }
  Batch batch = pack(read);
  if (with_labels) add_labels(examples.objective, targets, batch);
  return batch;
}

Batch make_drawn_batch(const ExamplePool& examples, std::span<const int64_t> inputs,
                       const Task& task, const Reading& reading, uint64_t seed) {
  std::vector<Features> drawn;
  std::vector<InputView> read;
  TargetsOfInputs targets;
  drawn.reserve(inputs.size());  // it is looked into while it grows
  for (int64_t i : inputs) {
    read.push_back(examples.input(i));
    targets.push_back(examples.target(i));
    std::optional<Features> other =
        task.redraw(derive_seed(seed, "redraw", i, 0, ""), reading, read.back(), targets.back());
    if (!other) continue;
    drawn.push_back(*std::move(other));
    read.back() = drawn.back().input;
    targets.back() = drawn.back().target;
  }
  Batch batch = pack(read);
  add_labels(examples.objective(), targets, batch);
  return batch;
}

Sampler::Sampler(const ExamplePool& examples, int batch_size, uint64_t seed, std::string phase,
                 int window)
    : examples_(examples),
      batch_size_(std::min<int64_t>(batch_size, examples.size())),
      batches_(examples.size() / batch_size_),
      window_(window),
      seed_(seed),
      phase_(std::move(phase)) {}

void Sampler::shuffle(int64_t epoch) {
  epoch_ = epoch;
  std::vector<int64_t> order =
      permutation(examples_.size(), derive_seed(seed_, phase_, epoch, 0, "rows"));
  // The rest goes before rows are sorted: else it would be the longest ones in every epoch.
  int64_t used = batches_ * batch_size_, window = window_ * batch_size_;
  order.resize(used);
  for (int64_t begin = 0; begin < used; begin += window) {
    auto first = order.begin() + begin;
    auto last = order.begin() + std::min(begin + window, used);
    std::stable_sort(first, last, [&](int64_t a, int64_t b) {
      return examples_.tokens(a) < examples_.tokens(b);
    });
  }
  order_.clear();
  for (int64_t i : permutation(batches_, derive_seed(seed_, phase_, epoch, 0, "batches"))) {
    order_.emplace_back(order.begin() + i * batch_size_, order.begin() + (i + 1) * batch_size_);
  }
}

std::vector<int64_t> Sampler::rows(int64_t step) {
  int64_t epoch = step / batches_;
  if (epoch != epoch_) shuffle(epoch);
  return order_[step % batches_];
}

std::vector<std::vector<int64_t>> evaluation_batches(const Examples& examples,
                                                     int64_t token_budget) {
  std::vector<int64_t> order(static_cast<size_t>(examples.size()));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int64_t a, int64_t b) { return examples.tokens(a) > examples.tokens(b); });
  std::vector<std::vector<int64_t>> out;
  int64_t longest = 0;
  for (int64_t row : order) {
    if (out.empty() || (static_cast<int64_t>(out.back().size()) + 1) * longest > token_budget) {
      out.emplace_back();
      longest = examples.tokens(row);
    }
    out.back().push_back(row);
  }
  return out;
}

}  // namespace espalier
