// From a sample, as a data set or a client has it, to what a model reads.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/spec/input.h"
#include "core/spec/model_config.h"
#include "core/text/tokenizer.h"

namespace espalier {

// Views, but for the list of words.
struct Sample {
  std::string_view text, pair;  // question and context, where a question is asked
  bool has_pair = false;
  std::vector<std::string_view> words;  // of a data set of words: instead of the text
  std::string_view image;               // an encoded file: instead of the text
  // Right answers to a question, and the code point of the context where each begins.
  std::span<const std::string> answers;
  std::span<const int32_t> answer_begins;
  std::span<const float> target;  // as Rows has it; empty: not known
};

// A word that has a label of its own.
struct Word {
  int32_t index = 0;      // in the text
  int32_t token = 0;      // the first of its tokens in the input
  Span place;             // in the text, in code points
  std::string_view text;  // of the sample
};

// One row that a model reads. A sample has one, or several windows where its text is too long.
struct Features {
  Input input;
  bool truncated = false;     // something of the sample is in no window
  std::vector<float> target;  // what make_batch() needs; empty: not known
  std::vector<Word> words;    // that fit into the input, where words have labels
  std::vector<Span> places;   // of each token in the context of a question; elsewhere begin is -1
};

// The model that shall read; outlives its use.
struct Reading {
  const Tokenizer* tokenizer = nullptr;  // null: it reads images
  const ModelConfig* config = nullptr;
  int max_length = 0;  // tokens
};

}  // namespace espalier
