#include "server/serving/repository_calls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::server {
namespace {

using ::testing::HasSubstr;

TEST(RepositoryCalls, TheNameComesInTheFieldOfTritonOrOfKServe) {
  EXPECT_EQ(*model_to_change("", "m"), "m");
  EXPECT_EQ(*model_to_change("m", ""), "m");
  EXPECT_TRUE(absl::IsUnimplemented(model_to_change("archive", "m").status()));
  EXPECT_TRUE(absl::IsInvalidArgument(model_to_change("", "").status()));
}

TEST(RepositoryCalls, LoadingTakesNoParameters) {
  RepositoryParameters parameters;
  EXPECT_TRUE(check_load_parameters(parameters).ok());
  parameters["config"].set_string_param("{}");
  EXPECT_TRUE(absl::IsUnimplemented(check_load_parameters(parameters)));
  parameters.clear();
  parameters["file:1/model.onnx"].set_bytes_param("x");
  EXPECT_TRUE(absl::IsUnimplemented(check_load_parameters(parameters)));
  parameters.clear();
  parameters["speed"].set_int64_param(1);
  const absl::Status status = check_load_parameters(parameters);
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"speed\" is unknown"));
}

TEST(RepositoryCalls, UnloadingTakesWhatTritonsClientsAlwaysSend) {
  RepositoryParameters parameters;
  parameters["unload_dependents"].set_bool_param(true);
  EXPECT_TRUE(check_unload_parameters(parameters).ok());
  parameters["unload_dependents"].set_int64_param(1);
  EXPECT_TRUE(absl::IsInvalidArgument(check_unload_parameters(parameters)));
  parameters.clear();
  parameters["now"].set_bool_param(true);
  EXPECT_TRUE(absl::IsInvalidArgument(check_unload_parameters(parameters)));
}

}  // namespace
}  // namespace espalier::server
