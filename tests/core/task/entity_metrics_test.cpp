#include "core/task/entity_metrics.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Tags = std::vector<std::string_view>;

std::vector<Entity> lenient(Tags tags) { return find_entities(tags, EntityScheme::kLenient); }
std::vector<Entity> strict(Tags tags) { return find_entities(tags, EntityScheme::kStrictIob2); }

TEST(Entities, AreRunsOfOneType) {
  const Tags tags = {"B-PER", "I-PER", "O", "B-LOC", "B-LOC"};
  EXPECT_THAT(lenient(tags),
              ElementsAre(Entity{"PER", 0, 2}, Entity{"LOC", 3, 4}, Entity{"LOC", 4, 5}));
  EXPECT_EQ(strict(tags), lenient(tags));
  EXPECT_THAT(lenient({}), IsEmpty());
  EXPECT_THAT(lenient({"O", "O"}), IsEmpty());
}

TEST(Entities, MayBeginInsideUnlessStrict) {
  EXPECT_THAT(lenient({"O", "I-PER", "I-PER"}), ElementsAre(Entity{"PER", 1, 3}));
  EXPECT_THAT(strict({"O", "I-PER", "I-PER"}), IsEmpty());
}

TEST(Entities, EndWhereTheTypeChanges) {
  EXPECT_THAT(lenient({"B-PER", "I-LOC"}), ElementsAre(Entity{"PER", 0, 1}, Entity{"LOC", 1, 2}));
  EXPECT_THAT(strict({"B-PER", "I-LOC", "I-PER"}), ElementsAre(Entity{"PER", 0, 1}));
}

TEST(Entities, KnowEndsAndSingles) {
  EXPECT_THAT(
      lenient({"B-X", "E-X", "E-X", "S-X", "I-X"}),
      ElementsAre(Entity{"X", 0, 2}, Entity{"X", 2, 3}, Entity{"X", 3, 4}, Entity{"X", 4, 5}));
  EXPECT_THAT(strict({"S-X", "E-X"}), IsEmpty());
}

TEST(Entities, TakeTheTypeAfterTheFirstDash) {
  EXPECT_THAT(lenient({"B-A-B", "O", "B"}), ElementsAre(Entity{"A-B", 0, 1}, Entity{"_", 2, 3}));
  EXPECT_THAT(lenient({"", "?-X"}), IsEmpty());
}

TEST(EntityF1, NeedsTypeBeginAndEnd) {
  const Tags truth = {"B-PER", "I-PER", "O", "B-LOC", "O", "B-LOC"};
  const Tags said = {"B-PER", "O", "O", "B-LOC", "B-ORG", "B-PER"};
  const EntityCounts counts = count_entities(truth, said, EntityScheme::kLenient);
  EXPECT_EQ(counts.both, 1);
  EXPECT_NEAR(entity_precision(counts), 1 / 4.0, 1e-15);
  EXPECT_NEAR(entity_recall(counts), 1 / 3.0, 1e-15);
  EXPECT_NEAR(entity_f1(counts), 2 / 7.0, 1e-15);
}

TEST(EntityF1, IsZeroWithoutEntities) {
  EntityCounts counts = count_entities(Tags{"O"}, Tags{"O"}, EntityScheme::kLenient);
  EXPECT_EQ(entity_f1(counts), 0);
  counts += {2, 2, 2};
  EXPECT_EQ(entity_f1(counts), 1);
}

}  // namespace
}  // namespace espalier
