#include "core/spec/class_weights.h"

#include "core/spec/dataset_spec.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::DoubleEq;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Refuses;

const std::vector<std::string> kAbc = {"a", "b", "c"};

// The weights of a, b and c, balanced.
std::vector<double> balanced(Objective objective, const Targets& train) {
  ClassWeights asked;
  asked.balanced = true;
  return *weights_by_id(asked, objective, train, kAbc);
}

// sklearn.utils.class_weight.compute_class_weight("balanced", classes=[0, 1, 2],
// y=[0, 1, 1, 2, 2, 2, 2]) of scikit-learn.
const double kBalanced[] = {2.3333333333333335, 1.1666666666666667, 0.5833333333333334};

TEST(ClassWeights, BalanceClassesAsScikitLearn) {
  EXPECT_THAT(balanced(Objective::kClass, {2, 0, 1, 2, 1, 2, 2}),
              ElementsAre(DoubleEq(kBalanced[0]), DoubleEq(kBalanced[1]), DoubleEq(kBalanced[2])));
}

TEST(ClassWeights, BalanceTheTokensThatCount) {
  Targets tokens;
  tokens.add(std::vector<float>{-100, 2, -100, 0, 1, -100});
  tokens.add(std::vector<float>{2, 1, 2, -100, 2});
  EXPECT_THAT(balanced(Objective::kTokenClasses, tokens),
              ElementsAre(DoubleEq(kBalanced[0]), DoubleEq(kBalanced[1]), DoubleEq(kBalanced[2])));
}

// scikit-learn for the classes 0 and 2 alone: 1.5, 0.75; it refuses a class that does not occur.
TEST(ClassWeights, BalanceOnlyClassesThatOccur) {
  EXPECT_THAT(balanced(Objective::kClass, {0, 2, 2}), ElementsAre(1.5, 1, 0.75));
}

// Of four rows one has a, all have b, none has c; a fifth row's labels are not known.
TEST(ClassWeights, BalanceTheYesOfALabelAgainstItsNo) {
  Targets rows;
  rows.add(std::vector<float>{1, 1, 0});
  for (int i = 0; i < 3; ++i) rows.add(std::vector<float>{0, 1, 0});
  rows.add_unknown();
  EXPECT_THAT(balanced(Objective::kLabels, rows), ElementsAre(3, 1, 1));
}

TEST(ClassWeights, StandInTheOrderOfTheIds) {
  ClassWeights asked;
  EXPECT_THAT(*weights_by_id(asked, Objective::kClass, {0}, kAbc), IsEmpty());
  asked.weights = {{"c", 3}, {"a", 0.5}};
  EXPECT_THAT(*weights_by_id(asked, Objective::kClass, {0}, kAbc), ElementsAre(0.5, 1, 3));
  asked.weights["d"] = 2;
  EXPECT_THAT(weights_by_id(asked, Objective::kClass, {0}, kAbc).status(),
              Refuses("names the label \"d\", which is unknown; known: a, b, c"));
}

absl::StatusOr<DatasetSpec> weighed(const std::string& weights, const std::string& fields = "") {
  return read_dataset_spec(
      Json::parse(R"({"splits": [{"name": "train", "path": "a.tsv"}], "class_weights": )" +
                  weights + fields + "}"),
      "/data");
}

TEST(ClassWeights, AreReadAsTheProtoHasThem) {
  EXPECT_TRUE(weighed(R"({"balanced": true})")->class_weights.balanced);
  const auto named =
      weighed(R"({"weights": {"a": 2, "b": 0.5}})", R"(, "label_names": ["a", "b"])");
  ASSERT_TRUE(named.ok()) << named.status();
  EXPECT_EQ(named->class_weights.weights.at("b"), 0.5);
  EXPECT_TRUE(weighed("{}")->class_weights.none());
  EXPECT_TRUE(weighed("null")->class_weights.none());
}

TEST(ClassWeights, AreRefusedWithTheirField) {
  for (const char* weight : {"0", "-1", "1e7", "1e-7"}) {
    EXPECT_THAT(weighed(std::string(R"({"weights": {"a": )") + weight + "}}").status(),
                Refuses("it must be at least 1e-06 and at most 1e+06"));
  }
  // As protobuf writes what JSON has no number for.
  EXPECT_THAT(weighed(R"({"weights": {"a": "NaN"}})").status(),
              Refuses("class_weights.weights.a must be a number, found \"NaN\""));
  EXPECT_THAT(weighed(R"({"balanced": true, "weights": {"a": 2}})").status(),
              Refuses("class_weights is balanced and names 1 weights"));
  EXPECT_THAT(weighed(R"({"balanced": "yes"})").status(),
              Refuses("class_weights.balanced must be true or false"));
  EXPECT_THAT(weighed("[1, 3]").status(), Refuses("class_weights must be an object"));
  EXPECT_THAT(weighed(R"({"weights": [1, 3]})").status(),
              Refuses("class_weights.weights must be an object"));
  EXPECT_THAT(weighed(R"({"weights": {")" + std::string(201, 'x') + R"(": 2}})").status(),
              Refuses("names a label of 201 bytes"));
}

TEST(ClassWeights, AreForLabels) {
  for (const char* task : {"regression", "fill-mask"}) {
    EXPECT_THAT(
        weighed(R"({"balanced": true})", std::string(R"(, "task": ")") + task + "\"").status(),
        Refuses(std::string("class_weights is set, but ") + task + " has no labels to weigh"));
  }
  for (const char* task :
       {"text-classification", "multi-label-classification", "token-classification"}) {
    EXPECT_TRUE(weighed(R"({"balanced": true})", std::string(R"(, "task": ")") + task + "\"").ok());
  }
}

TEST(ClassWeights, NameLabelsThatTrainHolds) {
  const testing::Scratch folder;
  folder.write("a.tsv", "text\tlabel\na\tx\nb\ty\n");
  DatasetSpec spec;
  spec.folder = folder.path();
  spec.splits["train"] = "a.tsv";
  spec.class_weights.weights = {{"x", 2}};
  EXPECT_TRUE(inspect_dataset(spec).ok());
  spec.class_weights.weights["z"] = 2;
  EXPECT_THAT(inspect_dataset(spec).status(),
              Refuses("names the label \"z\", which is unknown; known: x, y"));
  EXPECT_THAT(weighed(R"({"weights": {"z": 2}})", R"(, "label_names": ["x", "y"])").status(),
              Refuses("known: x, y"));
}

}  // namespace
}  // namespace espalier
