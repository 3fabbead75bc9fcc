// What a fuzzer is made of. A target runs one input and ends the process where a promise of the
// code is broken; two drivers feed it: libfuzzer_main.cpp (clang, guided by coverage) and
// replay_main.cpp (any compiler, guided by the kinds of answers).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "core/base/random.h"

namespace espalier::fuzz {

struct Target {
  // Says what kind of answer the input got, in few enough words that thousands of inputs share one.
  std::string (*run)(std::string_view input);
  // Changes an input as what it is, a message or a request, so that more of it than its bytes is
  // tried; gives back what cannot be changed so. May be null.
  std::string (*mutate)(std::string_view input, Random& random);
  std::vector<std::string> seeds;
  std::vector<std::string> words;  // that inputs of this kind are made of
};

// Each target's own; called once.
Target fuzz_target();

// Ends the process, so that the driver keeps the input.
[[noreturn]] void broken(const std::string& promise);
inline void promise(bool kept, const char* what) {
  if (!kept) broken(what);
}

// A code and its message without what differs from input to input: quotes and numbers.
std::string kind_of(const absl::Status& status);
std::string kind_of_text(std::string_view text);

// Stops protobuf's log, and ends the process where it says that we write strings that are no UTF-8.
void watch_protobuf();

}  // namespace espalier::fuzz
