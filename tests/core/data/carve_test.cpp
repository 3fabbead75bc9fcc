#include "core/data/carve.h"

#include <algorithm>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// `contexts` contexts, that many questions about each, turn by turn.
Rows questions_about(int contexts, int questions) {
  Rows out;
  for (int i = 0; i < contexts * questions; ++i) {
    out.text.add(std::to_string(i));
    out.pair.add("context " + std::to_string(i % contexts));
    out.answers.emplace_back();
    out.targets.add(0);
  }
  return out;
}

TEST(Carve, TakesATenthOfTheRowsForEachPart) {
  Rows rows = questions_about(1, 39);
  rows.answers.clear();  // texts and pairs, whatever the pairs are
  const Carved carved = carve_tenths(rows, 2);
  EXPECT_THAT(carved.parts, ElementsAre(SizeIs(3), SizeIs(3)));
  EXPECT_THAT(carved.rest, SizeIs(33));
  EXPECT_TRUE(std::is_sorted(carved.rest.begin(), carved.rest.end()));
  std::set<int64_t> all(carved.rest.begin(), carved.rest.end());
  for (const auto& part : carved.parts) all.insert(part.begin(), part.end());
  EXPECT_THAT(all, SizeIs(39));
}

TEST(Carve, KeepsTheQuestionsAboutAContextTogether) {
  const Rows rows = questions_about(20, 4);
  const Carved carved = carve_tenths(rows, 3);
  EXPECT_THAT(carved.parts, ElementsAre(SizeIs(8), SizeIs(8), SizeIs(8)));
  EXPECT_THAT(carved.rest, SizeIs(56));
  std::set<std::string> trained;
  for (const int64_t row : carved.rest) trained.emplace(text_of(rows.pair, row));
  EXPECT_THAT(trained, SizeIs(14));
  for (const auto& part : carved.parts) {
    for (const int64_t row : part)
      EXPECT_FALSE(trained.contains(std::string(text_of(rows.pair, row))));
  }
}

TEST(Carve, HasNothingOfWhatIsTooSmall) {
  EXPECT_THAT(carve_tenths(questions_about(9, 1), 1).parts, ElementsAre(IsEmpty()));
  const Carved one = carve_tenths(questions_about(1, 40), 2);
  EXPECT_THAT(one.parts, ElementsAre(SizeIs(40), IsEmpty()));
  EXPECT_THAT(one.rest, IsEmpty());
}

}  // namespace
}  // namespace espalier
