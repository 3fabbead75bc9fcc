#include "core/job/checkpoint.h"

#include <gtest/gtest.h>

#include "core/base/guard.h"
#include "tests/core/spec/scratch.h"
#include "tests/testing/tiny_model.h"

namespace espalier {
namespace {

TEST(Checkpoint, KeepsWhatDistillersLearntInTheirOrder) {
  const testing::Scratch scratch;
  const std::string folder = scratch.path() + "/checkpoint";
  JobState state;
  state.model = testing::tiny_model();
  state.next_phase = 2;
  state.distillers.resize(3);
  state.distillers[1].tensors["projection.weight"] = torch::tensor({{0.5, 2.0}});
  state.distillers[2].json["stage"] = "prediction";
  throw_if_error(save_checkpoint(folder, state));
  const JobState again = value_or_throw(load_checkpoint(folder));
  ASSERT_EQ(again.distillers.size(), 3u);
  EXPECT_TRUE(again.distillers[0].tensors.empty());
  EXPECT_EQ(again.distillers[1].tensors.at("projection.weight")[0][1].item<float>(), 2);
  EXPECT_EQ(again.distillers[2].json.at("stage").get<std::string>(), "prediction");
  EXPECT_FALSE(again.trainer.has_value());
}

}  // namespace
}  // namespace espalier
