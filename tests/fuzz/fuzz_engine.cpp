#include "tests/fuzz/fuzz_engine.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "core/base/files.h"
#include "tests/fuzz/fuzz_target.h"

namespace espalier::fuzz {
namespace {

using runtime::Answer;
using runtime::ModelInfo;
using runtime::Row;

constexpr int kMaxLength = 16, kLayers = 4, kSide = 4, kPatch = 2, kChannels = 3;

ModelConfig config_of(const TaskKind& kind, int vocabulary) {
  ModelConfig config;
  config.head = kind.head;
  config.positions = kMaxLength;
  config.vocabulary = vocabulary;
  config.token_types = 2;
  if (kind.reads == Reads::kText) return config;
  config.family = Family::kVit;
  config.vocabulary = config.token_types = 0;
  config.image_size = kSide;
  config.patch_size = kPatch;
  config.channels = kChannels;
  config.image.size = kSide;
  config.positions = 1 + config.patches();
  return config;
}

class FuzzEngine : public runtime::Engine {
 public:
  FuzzEngine(std::unique_ptr<Task> task, std::vector<std::string> labels,
             std::shared_ptr<const Tokenizer> tokenizer)
      : tokenizer_(std::move(tokenizer)),
        task_(std::move(task)),
        config_(config_of(task_->kind(), tokenizer_->vocabulary())) {
    info_.task = task_->name();
    info_.objective = task_->objective();
    info_.reads = task_->reads();
    info_.label_names = std::move(labels);
    info_.layers = kLayers;
    info_.max_length = config_.positions;
    info_.vocabulary = config_.vocabulary;
    info_.token_types = config_.token_types;
    info_.channels = config_.channels;
    info_.image_size = config_.image_size;
    info_.mask_id = tokenizer_->specials().mask;
    info_.mask_text = tokenizer_->written(info_.mask_id);
    info_.separator_id = tokenizer_->specials().separator;
    info_.precision = info_.products = "fp32";
    info_.has_exits = info_.objective == Objective::kClass;
    if (!info_.has_exits) return;
    info_.exit_method = "fuzz";
    info_.exit_threshold = 0.5;
    info_.threshold_high = 1;
  }

  const ModelInfo& info() const override { return info_; }

  absl::StatusOr<std::vector<Features>> encode(const Sample& sample) const override {
    return task_->encode({tokenizer_.get(), &config_, info_.max_length}, sample);
  }

  Row probe() const override {
    Row row;
    if (info_.reads == Reads::kImage) {
      row.input.pixels.resize(config_.pixels());
      row.input.image_tokens = info_.max_length;
      return row;
    }
    const SpecialTokens special = tokenizer_->specials();
    row.input.ids = {special.first, info_.mask_id, special.separator};
    row.input.types = {0, 0, 0};
    row.input.asked = {1};
    return row;
  }

  absl::StatusOr<std::vector<Answer>> predict(std::span<const Row> rows) override {
    std::vector<Answer> answers;
    for (const Row& row : rows) {
      check(row);
      answers.push_back(answer(row));
    }
    return answers;
  }

 private:
  void check(const Row& row) const {
    const Input& input = row.input;
    if (info_.reads == Reads::kImage) {
      promise(input.pixels.size() == config_.pixels() && input.ids.empty(), "a row is an image");
      promise(input.image_tokens == config_.positions, "an image has its tokens");
      return;
    }
    const auto within = [](const std::vector<int32_t>& values, size_t limit) {
      return std::all_of(values.begin(), values.end(), [&](int32_t value) {
        return value >= 0 && static_cast<size_t>(value) < limit;
      });
    };
    promise(!input.ids.empty() && input.ids.size() <= kMaxLength, "a row has 1 to 16 tokens");
    promise(input.ids.size() == input.types.size(), "every token has a type");
    promise(within(input.ids, static_cast<size_t>(info_.vocabulary)), "ids are in the vocabulary");
    promise(within(input.types, static_cast<size_t>(info_.token_types)), "types are known");
    promise(within(input.asked, input.ids.size()), "asked tokens are there");
    promise(info_.objective != Objective::kWords || !input.asked.empty(), "a word is asked for");
    promise(row.max_exit_layer >= 0 && row.max_exit_layer <= kLayers, "the layer is there");
    promise(std::isnan(row.exit_threshold) || (row.exit_threshold >= 0 && row.exit_threshold <= 1),
            "the threshold is in its range");
  }

  static uint64_t seed_of(const Row& row) {
    uint64_t seed = row.input.pixels.size();
    for (const uint8_t pixel : row.input.pixels) seed = seed * 31 + pixel;
    for (const int32_t id : row.input.ids) seed = seed * 31 + static_cast<uint64_t>(id);
    return seed;
  }

  // See Answer: what belongs to each objective.
  Answer answer(const Row& row) const {
    Random random(seed_of(row));
    Answer answer;
    answer.exit_layer = row.max_exit_layer > 0 ? row.max_exit_layer : kLayers;
    answer.label = -1;
    answer.confidence = 0.5F;
    const auto labels = static_cast<int>(info_.label_names.size());
    const auto width = static_cast<size_t>(info_.objective == Objective::kWords
                                               ? info_.vocabulary
                                               : head_outputs(info_.objective, labels));
    const auto add_line = [&] {
      for (size_t i = 0; i < width; ++i)
        answer.logits.push_back(static_cast<float>(8 * random.uniform() - 4));
    };
    if (info_.objective == Objective::kWords) {
      for (size_t i = 0; i < row.input.asked.size(); ++i) {
        if (row.with_logits) add_line();
        guess_words(random, answer);
      }
      return answer;
    }
    const int lines = answers_tokens(info_.objective) ? row.input.tokens() : 1;
    for (int line = 0; line < lines; ++line) add_line();
    if (info_.objective != Objective::kValue)
      answer.probabilities.assign(answer.logits.size(), 1 / static_cast<float>(width));
    choose(random, width, lines, answer);
    return answer;
  }

  void guess_words(Random& random, Answer& answer) const {
    auto& guesses = answer.words.emplace_back();
    for (int k = 0; k < 3; ++k) {
      const auto id = static_cast<int32_t>(random.below(static_cast<uint64_t>(info_.vocabulary)));
      guesses.push_back({id, 0.25F, tokenizer_->written(id)});
    }
  }

  void choose(Random& random, size_t width, int lines, Answer& answer) const {
    if (info_.objective == Objective::kClass) answer.label = largest(answer.logits);
    for (int line = 0; info_.objective == Objective::kTokenClasses && line < lines; ++line)
      answer.labels.push_back(static_cast<int>(random.below(width)));
    for (size_t label = 0; info_.objective == Objective::kLabels && label < width; ++label) {
      if (answer.logits[label] > 0) answer.labels.push_back(static_cast<int>(label));
    }
    if (info_.objective == Objective::kSpan) answer.labels = {0, lines - 1};
  }

  const std::shared_ptr<const Tokenizer> tokenizer_;
  const std::unique_ptr<Task> task_;
  const ModelConfig config_;
  ModelInfo info_;
};

}  // namespace

std::shared_ptr<const Tokenizer> fuzz_tokenizer() {
  std::string vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfilm\nplot\ngreat\n";
  for (char letter = 'a'; letter <= 'z'; ++letter)
    vocabulary.append({letter, '\n', '#', '#', letter, '\n'});
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("espalier-fuzz-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const absl::Status written = write_file(folder / "vocab.txt", vocabulary);
  auto tokenizer = load_tokenizer(folder);
  std::filesystem::remove_all(folder);
  if (!written.ok() || !tokenizer.ok()) broken("the tokenizer of the fuzzer loads");
  return *std::move(tokenizer);
}

std::unique_ptr<runtime::Engine> fuzz_engine(const std::string& task,
                                             std::vector<std::string> labels,
                                             std::shared_ptr<const Tokenizer> tokenizer) {
  auto made = make_task(task, labels);
  if (!made.ok()) broken(std::string(made.status().message()));
  return std::make_unique<FuzzEngine>(*std::move(made), std::move(labels), std::move(tokenizer));
}

}  // namespace espalier::fuzz
