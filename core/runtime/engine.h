// Engine: a published artifact, ready to answer. No torch in this header: the inference server,
// which speaks protobuf, includes it.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/task/task.h"

namespace espalier::runtime {

// One row of a batch, with its own knobs.
struct Row {
  Input input;  // of 1..max_length tokens, or an image of the model's size
  // NaN: the artifact's calibrated threshold. Meaning and range are the exit method's.
  double exit_threshold = std::numeric_limits<double>::quiet_NaN();
  int max_exit_layer = 0;   // 1-based; 0: the last layer
  bool with_logits = true;  // kWords: without them an answer is small; to others nothing
};

// kWords: a word that may stand where one is asked for.
struct WordGuess {
  int32_t id = 0;
  float score = 0;   // its probability
  std::string text;  // as Tokenizer::written() has it
};

// By the model's objective:
//   kClass         logits and probabilities [C], label the largest
//   kValue         logits [1] the value, no probabilities, label -1, confidence 0
//   kLabels        probabilities are sigmoids [C], labels those above 1/2, label the largest
//   kTokenClasses  [T,C] flat, labels the largest of every token, label -1, confidence that of the
//                  least sure token
//   kWords         logits [asked,V] flat, no probabilities; words, and confidence that of the least
//                  sure one; label -1
//   kSpan          [T,2] flat: start and end; probabilities over the tokens; labels the likeliest
//                  start and end, label -1, confidence that of the less sure one
struct Answer {
  std::vector<float> logits, probabilities;
  int label = 0;
  int exit_layer = 0;    // 1-based
  float confidence = 0;  // probability of the label
  std::vector<int> labels;
  std::vector<std::vector<WordGuess>> words;  // kWords: some for each asked word, the best first
  // Of kWords models that follow sentences, [2]: does the second text follow the first, or not?
  std::vector<float> sentence_logits;
};

// What clients may know about a model.
struct ModelInfo {
  std::string task;
  Objective objective = Objective::kClass;
  std::vector<std::string> label_names;
  Reads reads = Reads::kText;
  int layers = 0, max_length = 0;
  int vocabulary = 0, token_types = 0;  // texts
  // Images: [channels, image_size, image_size], each of max_length tokens.
  int channels = 0, image_size = 0;
  int32_t mask_id = -1;       // kWords: the token that asks for a word, ...
  std::string mask_text;      // ... and how a text writes it
  int32_t separator_id = -1;  // kSpan: the token behind the question and behind the context
  bool has_exits = false;
  std::string exit_method;                       // "" without exits
  double exit_threshold = 0;                     // calibrated
  double threshold_low = 0, threshold_high = 0;  // allowed range
  std::string precision, weights_sha256;
  // In what the layers' products are computed here, "fp32", "bf16" or "int8": that of the weights,
  // unless this machine computes bf16 faster in fp32 and may, see EngineOptions.
  std::string products;
};

struct EngineOptions {
  int threads = 0;  // 0: all cores
  // Products in the precision of the weights on every machine, emulated, and slow, where the
  // processor does not have them: for figures, which are to be the same ones everywhere.
  bool as_published = false;
};

class Engine {
 public:
  virtual ~Engine() = default;
  // INVALID_ARGUMENT or NOT_FOUND says which file is wrong and why.
  static absl::StatusOr<std::unique_ptr<Engine>> load(const std::string& folder,
                                                      const EngineOptions& options = {});
  virtual const ModelInfo& info() const = 0;
  // The windows that the model reads of a sample; thread-safe. INVALID_ARGUMENT for a sample that
  // the task cannot read.
  virtual absl::StatusOr<std::vector<Features>> encode(const Sample& sample) const = 0;
  // A row that can be answered: to see whether the model does.
  virtual Row probe() const = 0;
  // INVALID_ARGUMENT names the row and what is wrong with it. A row's answer does not depend on the
  // other rows. One call at a time an engine.
  virtual absl::StatusOr<std::vector<Answer>> predict(std::span<const Row> rows) = 0;
  // The threads that the calling one computed with go; they start again with its next call. For who
  // loads or tries an engine that another thread will use: libgomp counts threads that stay as if
  // they computed, and where that makes more of them than processors, it has all of them sleep
  // between two parallel loops instead of waiting awake: 25 us a loop instead of 8 on two cores, of
  // which the answer to one row takes thirty.
  virtual void release_threads() {}
};

}  // namespace espalier::runtime
