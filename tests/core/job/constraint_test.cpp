#include "core/job/constraint.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

MetricDrop drop_of(double points, Precision precision, double in_fp32 = 0) {
  MetricDrop out;
  out.metric = "accuracy";
  out.before = 90;
  out.after = 90 - points;
  out.allowed = 2;
  out.precision = precision;
  out.drop_in_fp32 = in_fp32;
  return out;
}

std::string said_of(const MetricDrop& drop) {
  const absl::Status status = check_drop(drop);
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  return std::string(status.message());
}

TEST(Constraint, HoldsUpToWhatIsAllowed) {
  EXPECT_TRUE(check_drop(drop_of(2, Precision::kFp32)).ok());
  EXPECT_TRUE(check_drop(drop_of(-1, Precision::kInt8)).ok());
  EXPECT_FALSE(check_drop(drop_of(2.5, Precision::kFp32)).ok());
}

TEST(Constraint, WithConfidenceHoldsTheWholeInterval) {
  MetricDrop drop = drop_of(1, Precision::kInt8, 1);
  drop.low = -1;
  drop.high = drop.high_in_fp32 = 3;
  drop.split = "report";
  EXPECT_TRUE(check_drop(drop).ok());
  drop.confidence = 0.9;
  EXPECT_THAT(
      said_of(drop),
      AllOf(HasSubstr("on the report split fell from 90 to 89, by 1 points where at most 2"),
            HasSubstr("at a confidence of 0.9 goes from -1 to 3"), HasSubstr("already")));
  drop.high_in_fp32 = 1.5;
  EXPECT_THAT(said_of(drop), HasSubstr("so the precision int8 is to blame"));
  drop.high = 2;
  EXPECT_TRUE(check_drop(drop).ok());
}

TEST(Constraint, BlamesThePrecisionWhereFp32WouldHold) {
  EXPECT_EQ(
      said_of(drop_of(5, Precision::kInt8, 0.5)),
      "the constraint is broken: accuracy on the select split fell from 90 to 85, by 5 points "
      "where at most 2 were allowed; in fp32 the drop would be 0.5, so the precision int8 is "
      "to blame; ask for the precision bf16 or fp32, or allow more");
  MetricDrop pruned = drop_of(5, Precision::kBf16, 2);
  pruned.prunes = pruned.exits = true;
  EXPECT_THAT(said_of(pruned), AllOf(HasSubstr("ask for the precision fp32, or allow more"),
                                     Not(HasSubstr("to be pruned"))));
}

TEST(Constraint, DoesNotBlameThePrecisionWhereFp32WouldBreakItToo) {
  MetricDrop pruned = drop_of(5, Precision::kInt8, 4);
  pruned.prunes = true;
  EXPECT_THAT(said_of(pruned), HasSubstr("; in fp32 the drop would be 4 already; ask for less "
                                         "to be pruned, train longer, or allow more"));
}

TEST(Constraint, AdvisesWhatTheRecipeHas) {
  MetricDrop drop = drop_of(5, Precision::kFp32);
  drop.prunes = true;
  EXPECT_THAT(said_of(drop),
              HasSubstr("were allowed; ask for less to be pruned, train longer, or"));
  drop.prunes = false;
  drop.exits = true;
  EXPECT_THAT(said_of(drop),
              AllOf(HasSubstr("calibration.max_metric_drop"), Not(HasSubstr("to be pruned"))));
}

}  // namespace
}  // namespace espalier
