#include "core/task/next_sentence.h"

#include "core/base/random.h"

namespace espalier {
namespace {
constexpr uint64_t kSentenceSeed = 1;
}

SecondText draw_second_text(const Rows& rows, std::span<const int64_t> among, size_t place) {
  const int64_t row = among[place];
  Random random(derive_seed(kSentenceSeed, "data", row, 0, "next sentence"));
  if (among.size() < 2 || random.uniform() < 0.5) return {row, NextSentence::kFollows};
  const size_t other = (place + 1 + random.below(among.size() - 1)) % among.size();
  // Two rows may go on alike.
  const bool alike = text_of(rows.pair, among[other]) == text_of(rows.pair, row);
  return {among[other], alike ? NextSentence::kFollows : NextSentence::kRandom};
}

}  // namespace espalier
