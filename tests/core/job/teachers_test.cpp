// Models that teach beside a job's own, or instead of it.
#include <gmock/gmock.h>

#include "core/base/files.h"
#include "tests/core/job/small_job.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

class TeachersTest : public SmallJob {
 protected:
  TeachersTest() {
    Json written = {{"recipe", "auto"},
                    {"target", {{"sparsity", 0.4}}},
                    {"pruner", {{"name", "taylor"}}},
                    {"distillers", {{{"name", "soft_labels"}}}},
                    {"exit", {{"name", "none"}}}};
    for (const char* phase : {"finetune", "prune", "recover"}) written[phase] = training(8);
    input_.recipe = resolved(written);
  }
  // The folder of a model of its own, with these labels.
  std::string teacher(const std::string& name, const Model& model,
                      const std::vector<std::string>& labels = {"a", "b", "c"}) {
    const std::string jobs_own = input_.model_folder;
    write_model(model, labels);
    const std::string out = scratch_.path() + "/" + name;
    std::filesystem::rename(input_.model_folder, out);
    write_model(testing::tiny_model());
    input_.model_folder = jobs_own;
    return out;
  }
  std::string weights() {
    std::filesystem::remove_all(input_.checkpoint_folder);
    output_ = value_or_throw(compress(input_, {}));
    return value_or_throw(read_file(output_.artifacts.front().folder + "/model.safetensors"));
  }
  std::string refusal() {
    const absl::Status status = compress(input_, {}).status();
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    return std::string(status.message());
  }
};

TEST_F(TeachersTest, TheJobsOwnDenseModelIsTheDefault) {
  const std::string alone = weights();
  input_.teachers = {{"dense", ""}};
  EXPECT_EQ(weights(), alone);
}

TEST_F(TeachersTest, AnotherModelTeachesSomethingElse) {
  const std::string own = weights();
  input_.teachers = {{"projects/p/models/large", teacher("large", testing::tiny_model(9))}};
  EXPECT_NE(weights(), own);
}

TEST_F(TeachersTest, SeveralAreJudgedOnTheSelectSplitAndToldOf) {
  input_.teachers = {{"dense", ""}, {"large", teacher("large", testing::tiny_model(9))}};
  weights();
  const Json report = value_or_throw(read_json(output_.artifacts.front().folder + "/report.json"));
  EXPECT_EQ(report.at("teachers").size(), 2u);
  EXPECT_GE(report.at("teachers").at("large").get<double>(), 0);
}

TEST_F(TeachersTest, LabelsInAnotherOrderAreTheSameLabels) {
  const Model model = testing::tiny_model(9);
  Model turned = model.clone();
  const Tensor order = at::tensor({2, 0, 1}, at::kLong);
  turned.classifier.keep_outputs(order);
  input_.teachers = {{"t", teacher("straight", model)}};
  const std::string straight = weights();
  input_.teachers = {{"t", teacher("turned", turned, {"c", "a", "b"})}};
  EXPECT_EQ(weights(), straight);
}

TEST_F(TeachersTest, OneThatAnswersSomethingElseIsRefused) {
  input_.teachers = {{"t", teacher("other", testing::tiny_model(9), {"x", "y", "z"})}};
  EXPECT_THAT(refusal(), HasSubstr("the teacher t answers with 3 outputs (x, y, z), but the job "
                                   "needs 3 outputs (a, b, c); fine-tune it"));
}

TEST_F(TeachersTest, OneWithAnotherVocabularyIsRefused) {
  const std::string folder = teacher("words", testing::tiny_model(9));
  std::string words = value_or_throw(read_file(folder + "/vocab.txt"));
  words.replace(words.find("w5\n"), 3, "$\n");
  throw_if_error(write_file(folder + "/vocab.txt", words));
  input_.teachers = {{"t", folder}};
  EXPECT_THAT(refusal(), HasSubstr("another tokenizer"));
}

}  // namespace
}  // namespace espalier
