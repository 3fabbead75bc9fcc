#include "server/serving/rest/message_json.h"

#include <gtest/gtest.h>

namespace espalier::server {
namespace {

using nlohmann::json;

TEST(MessageJson, NumbersAreNumbersAndDefaultsAreThere) {
  inference::StatisticDuration duration;
  duration.set_ns(uint64_t{1} << 60);
  EXPECT_EQ(message_json(duration), json({{"count", 0}, {"ns", uint64_t{1} << 60}}));
}

TEST(MessageJson, MessagesAreThereWhenTheyAreSet) {
  inference::ModelStatistics statistics;
  statistics.mutable_inference_stats()->mutable_success()->set_count(2);
  const json shown = message_json(statistics);
  EXPECT_EQ(shown["inference_stats"]["success"]["count"], 2);
  EXPECT_FALSE(shown["inference_stats"].contains("fail"));
  EXPECT_EQ(shown["batch_stats"], json::array());
}

TEST(MessageJson, MapsAreObjectsAndEnumsAreNames) {
  inference::ModelMetadataResponse metadata;
  (*metadata.mutable_properties())["task"] = "text-classification";
  metadata.add_inputs()->add_shape(-1);
  EXPECT_EQ(message_json(metadata)["properties"], json({{"task", "text-classification"}}));
  EXPECT_EQ(message_json(metadata)["inputs"][0]["shape"], json::array({-1}));
  inference::ModelConfig config;
  config.add_input()->set_data_type(inference::TYPE_STRING);
  EXPECT_EQ(message_json(config)["input"][0]["data_type"], "TYPE_STRING");
}

TEST(MessageJson, ParametersAreTheirValues) {
  google::protobuf::Map<std::string, inference::InferParameter> parameters;
  parameters["truncated"].set_bool_param(true);
  parameters["depth"].set_double_param(2.5);
  EXPECT_EQ(parameters_json(parameters), json({{"truncated", true}, {"depth", 2.5}}));
}

TEST(MessageJson, BytesThatAreNoUtf8AreReplaced) {
  EXPECT_EQ(dump(json({{"error", "a\xff"}})), "{\"error\":\"a\xef\xbf\xbd\"}");
}

}  // namespace
}  // namespace espalier::server
