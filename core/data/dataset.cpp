#include "core/data/dataset.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/base/random.h"
#include "core/base/status_macros.h"

namespace espalier {
namespace {

// One for all jobs: a row that one job reports on is never a row that another one trained on.
constexpr uint64_t kCarveSeed = 1;
constexpr int64_t kWindow = 32;  // batches that are sorted by length together

Examples encode(const Rows& rows, std::span<const int64_t> which, const Task& task,
                const Tokenizer& tokenizer, int max_length) {
  Examples out;
  out.objective = task.objective();
  for (int64_t i : which) out.add(task.encode(tokenizer, sample_of(rows, i), max_length));
  return out;
}

}  // namespace

Sample sample_of(const Rows& rows, int64_t i) {
  const auto row = static_cast<size_t>(i);
  Sample out;
  if (!rows.text.empty()) out.text = rows.text[row];
  if (!rows.words.empty()) out.words = rows.words[row];
  out.has_pair = !rows.pair.empty();
  if (out.has_pair) out.pair = rows.pair[row];
  out.target = rows.targets[i];
  return out;
}

void Examples::add(Features features) {
  truncated += features.input.truncated ? 1 : 0;
  inputs.push_back(std::move(features.input));
  targets.add(features.target);
}

absl::StatusOr<Splits> load_splits(const DatasetSpec& spec, const Task& task,
                                   const Tokenizer& tokenizer, int max_length) {
  Splits splits;
  splits.label_names = spec.label_names;
  ESPALIER_ASSIGN_OR_RETURN(Rows train, read_split(spec, "train"));
  std::vector<int64_t> order =
      permutation(train.size(), derive_seed(kCarveSeed, "data", 0, 0, "carve"));
  int64_t tenth = train.size() / 10, taken = 0;

  struct Part {
    const char* name;
    Examples* out;
  };
  for (Part part : {Part{"select", &splits.select}, Part{"calibrate", &splits.calibrate},
                    Part{"report", &splits.report}}) {
    if (spec.splits.contains(part.name)) {
      ESPALIER_ASSIGN_OR_RETURN(Rows rows, read_split(spec, part.name));
      std::vector<int64_t> all(static_cast<size_t>(rows.size()));
      std::iota(all.begin(), all.end(), 0);
      *part.out = encode(rows, all, task, tokenizer, max_length);
    } else {
      std::span<const int64_t> carved(order.data() + taken, static_cast<size_t>(tenth));
      *part.out = encode(train, carved, task, tokenizer, max_length);
      taken += tenth;
    }
    if (part.out->size() == 0) {
      return absl::InvalidArgumentError(absl::StrCat(
          "split '", part.name, "' has no rows: train has ", train.size(),
          " and a tenth of it is carved for each missing split, so at least 10 are needed"));
    }
  }
  std::vector<int64_t> rest(order.begin() + taken, order.end());
  std::sort(rest.begin(), rest.end());  // the sampler shuffles; encoding keeps the file's order
  splits.train = encode(train, rest, task, tokenizer, max_length);

  for (Part part : {Part{"train", &splits.train}, Part{"select", &splits.select},
                    Part{"calibrate", &splits.calibrate}, Part{"report", &splits.report}}) {
    for (int64_t i = 0; i < part.out->size(); ++i) {
      if (!part.out->targets.known(i)) {
        return absl::InvalidArgumentError(
            absl::StrCat("split '", part.name, "' has a row without a label (number ", i + 1,
                         " of that split); every row needs one"));
      }
    }
  }
  if (splits.train.size() == 0) return absl::InvalidArgumentError("split 'train' has no rows");
  return splits;
}

namespace {

// Batch::labels of these rows, and how many tokens count.
void add_labels(const Examples& examples, std::span<const int64_t> rows, Batch& batch) {
  std::vector<float> numbers;
  for (int64_t row : rows) {
    auto target = examples.targets[row];
    numbers.insert(numbers.end(), target.begin(), target.end());
  }
  Tensor labels = torch::tensor(numbers, torch::kFloat32);
  switch (examples.objective) {
    case Objective::kValue:
      batch.labels = labels;
      break;
    case Objective::kLabels:
      batch.labels = labels.view({batch.rows(), -1});
      break;
    case Objective::kTokenClasses:
      batch.counted = std::count_if(numbers.begin(), numbers.end(), [](float number) {
        return number != static_cast<float>(kUncounted);
      });
      [[fallthrough]];
    case Objective::kClass:
      batch.labels = labels.to(torch::kInt64);
      break;
  }
}

}  // namespace

Batch make_batch(const Examples& examples, std::span<const int64_t> rows, bool with_labels) {
  std::vector<int64_t> ids, types;
  Batch batch;
  for (int64_t row : rows) {
    const Encoding& input = examples.inputs[row];
    ids.insert(ids.end(), input.ids.begin(), input.ids.end());
    types.insert(types.end(), input.types.begin(), input.types.end());
    batch.lengths.push_back(static_cast<int64_t>(input.ids.size()));
  }
  batch.ids = torch::tensor(ids, torch::kInt64);
  batch.types = torch::tensor(types, torch::kInt64);
  if (with_labels) add_labels(examples, rows, batch);
  return batch;
}

Sampler::Sampler(const Examples& examples, int batch_size, uint64_t seed, std::string phase)
    : examples_(examples),
      batch_size_(std::min<int64_t>(batch_size, examples.size())),
      batches_(examples.size() / batch_size_),
      seed_(seed),
      phase_(std::move(phase)) {}

void Sampler::shuffle(int64_t epoch) {
  epoch_ = epoch;
  std::vector<int64_t> order =
      permutation(examples_.size(), derive_seed(seed_, phase_, epoch, 0, "rows"));
  // The rest goes before rows are sorted: else it would be the longest ones in every epoch.
  int64_t used = batches_ * batch_size_, window = kWindow * batch_size_;
  order.resize(used);
  for (int64_t begin = 0; begin < used; begin += window) {
    auto first = order.begin() + begin;
    auto last = order.begin() + std::min(begin + window, used);
    std::stable_sort(first, last, [&](int64_t a, int64_t b) {
      return examples_.inputs[a].ids.size() < examples_.inputs[b].ids.size();
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
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return examples.inputs[a].ids.size() > examples.inputs[b].ids.size();
  });
  std::vector<std::vector<int64_t>> out;
  int64_t longest = 0;
  for (int64_t row : order) {
    if (out.empty() || (static_cast<int64_t>(out.back().size()) + 1) * longest > token_budget) {
      out.emplace_back();
      longest = static_cast<int64_t>(examples.inputs[row].ids.size());
    }
    out.back().push_back(row);
  }
  return out;
}

}  // namespace espalier
