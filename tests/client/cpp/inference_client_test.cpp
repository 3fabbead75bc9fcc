#include "client/cpp/inference_client.h"

#include <gmock/gmock.h>

#include <cstring>

namespace espalier::client {
namespace {

using ::testing::ElementsAre;

template <class T>
std::string raw(std::initializer_list<T> values) {
  std::string bytes(values.size() * sizeof(T), '\0');
  std::memcpy(bytes.data(), values.begin(), bytes.size());
  return bytes;
}

void add(inference::ModelInferResponse& response, const char* name, std::string content) {
  response.add_outputs()->set_name(name);
  response.add_raw_output_contents(std::move(content));
}

TEST(InferRequest, CarriesTextsAsLengthPrefixedBytes) {
  auto request = make_infer_request("reviews", {"ab", ""}, {}, {});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->inputs(0).name(), "text");
  EXPECT_EQ(request->inputs(0).datatype(), "BYTES");
  EXPECT_THAT(request->inputs(0).shape(), ElementsAre(2));
  EXPECT_EQ(request->raw_input_contents(0), std::string("\2\0\0\0ab\0\0\0\0", 10));
}

TEST(InferRequest, CarriesPairsAndExitParameters) {
  auto request =
      make_infer_request("m", {"a"}, {"b"}, {.exit_threshold = 0.7, .max_exit_layer = 4});
  EXPECT_EQ(request->inputs(1).name(), "text_pair");
  EXPECT_EQ(request->parameters().at("exit_threshold").double_param(), 0.7);
  EXPECT_EQ(request->parameters().at("max_exit_layer").int64_param(), 4);
}

TEST(InferRequest, RefusesPairsThatDoNotMatch) {
  EXPECT_TRUE(absl::IsInvalidArgument(make_infer_request("m", {"a", "b"}, {"c"}, {}).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(make_infer_request("m", {}, {}, {}).status()));
}

TEST(InferRequest, CarriesImagesAsTheyAre) {
  auto request = make_image_request("pictures", {std::string("\xFF\0", 2)}, {.version = "canary"});
  ASSERT_TRUE(request.ok());
  EXPECT_EQ(request->inputs(0).name(), "image");
  EXPECT_EQ(request->model_version(), "canary");
  EXPECT_EQ(request->raw_input_contents(0), std::string("\2\0\0\0\xFF\0", 6));
  EXPECT_TRUE(absl::IsInvalidArgument(make_image_request("pictures", {}, {}).status()));
}

TEST(InferResponse, IsReadRowByRow) {
  inference::ModelInferResponse response;
  response.set_model_version("first");
  add(response, "label", std::string("\3\0\0\0pos\3\0\0\0neg", 14));
  add(response, "confidence", raw<float>({0.75f, 0.5f}));
  add(response, "exit_layer", raw<int32_t>({3, 12}));
  add(response, "probabilities", raw<float>({0.25f, 0.75f, 0.5f, 0.5f}));
  auto predictions = read_predictions(response, 2);
  ASSERT_TRUE(predictions.ok()) << predictions.status();
  EXPECT_EQ(predictions->version, "first");
  EXPECT_EQ(predictions->rows[1].version, "first");
  EXPECT_EQ(predictions->rows[0].label, "pos");
  EXPECT_EQ(predictions->rows[1].exit_layer, 12);
  EXPECT_EQ(predictions->rows[0].confidence, 0.75f);
  EXPECT_THAT(predictions->rows[1].probabilities, ElementsAre(0.5f, 0.5f));
}

TEST(InferResponse, OfNumbersHasNoConfidence) {
  inference::ModelInferResponse response;
  add(response, "label", std::string("\3\0\0\0-.5", 7));
  EXPECT_EQ(read_predictions(response, 1).value().rows[0].confidence, std::nullopt);
}

TEST(InferResponse, ThatIsBrokenIsRefusedWithTheOutputsName) {
  inference::ModelInferResponse response;
  add(response, "label", std::string("\377\0\0\0pos", 7));
  auto status = read_predictions(response, 1).status();
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("\"label\""));
  response.Clear();
  add(response, "exit_layer", "abc");
  EXPECT_TRUE(absl::IsInternal(read_predictions(response, 1).status()));
}

}  // namespace
}  // namespace espalier::client
