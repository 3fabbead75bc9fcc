#include "server/serving/rest/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/server/serving/rest/fake_protocol.h"

namespace espalier::server {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using namespace std::string_literals;

class RoutesTest : public ::testing::Test {
 protected:
  RestResponse ask(RestRequest request) {
    std::vector<RestResponse> answers;
    routes.answer(std::move(request), [&](RestResponse answer) { answers.push_back(answer); });
    EXPECT_EQ(answers.size(), 1U);
    return answers.empty() ? RestResponse{} : answers.front();
  }
  RestResponse get(const std::string& target) { return ask({.method = "GET", .target = target}); }
  RestResponse post(const std::string& target, const std::string& body) {
    return ask({.method = "POST", .target = target, .body = body});
  }
  static std::string error(const RestResponse& response) {
    const json body = json::parse(response.body);
    EXPECT_EQ(body.size(), 1U);
    return body.at("error");
  }

  const std::string infer_body =
      R"({"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["a"]}]})";
  FakeProtocol protocol;
  Metrics metrics{"test"};
  int slow = 0;
  absl::Status no_room;  // unless OK
  Routes routes{protocol, metrics, [this](const std::function<void()>& function) {
                  ++slow;
                  if (no_room.ok()) function();
                  return no_room;
                }};
};

TEST_F(RoutesTest, HealthIsAStatusAndABody) {
  EXPECT_EQ(get("/v2/health/live").body, R"({"live":true})");
  EXPECT_EQ(get("/v2/health/ready").status, 200);
  protocol.is_ready = false;
  EXPECT_EQ(get("/v2/health/ready").status, 503);
  EXPECT_EQ(get("/v2/health/ready").body, R"({"ready":false})");
  EXPECT_EQ(get("/v2/health/live").status, 200);
}

TEST_F(RoutesTest, AHeadIsAnsweredAsAGet) {
  EXPECT_EQ(ask({.method = "HEAD", .target = "/v2/health/live"}).status, 200);
  protocol.is_ready = false;
  EXPECT_EQ(ask({.method = "HEAD", .target = "/v2/health/ready"}).status, 503);
}

TEST_F(RoutesTest, AModelIsReadyOrNot) {
  EXPECT_EQ(get("/v2/models/m/ready").status, 200);
  EXPECT_EQ(get("/v2/models/m/versions/3/ready").status, 200);
  EXPECT_EQ(get("/v2/models/nobody/ready").status, 503);
}

TEST_F(RoutesTest, MetadataConfigurationAndStatistics) {
  EXPECT_EQ(json::parse(get("/v2").body)["name"], "espalier");
  EXPECT_EQ(json::parse(get("/v2/models/m/versions/stable").body)["versions"][0], "stable");
  EXPECT_EQ(json::parse(get("/v2/models/m/config").body)["name"], "m");
  EXPECT_EQ(json::parse(get("/v2/models/m/versions/2/stats").body)["model_stats"][0]["version"],
            "2");
  EXPECT_EQ(json::parse(get("/v2/models/stats").body)["model_stats"][0]["name"], "");
}

TEST_F(RoutesTest, NamesAreUnescapedAndQueriesDropped) {
  EXPECT_EQ(json::parse(get("/v2/models/a%20b%C3%A9%/config?x=y").body)["name"], "a b\xc3\xa9%");
}

TEST_F(RoutesTest, NamesThatAreNoUtf8AreMadeSo) {
  for (const char* name : {"a%ff", "a\xff"}) {
    post("/v2/models/"s + name + "/infer", infer_body);
    EXPECT_EQ(protocol.asked.model_name(), "a\xef\xbf\xbd");
  }
}

TEST_F(RoutesTest, APathThatIsNoneSaysWhereTheCallsAre) {
  for (const char* target : {"/", "/v1/models/m", "/v2/models", "/v2/models/m/versions", "*", ""}) {
    const RestResponse response = get(target);
    EXPECT_EQ(response.status, 404) << target;
    EXPECT_THAT(error(response), HasSubstr("/v2/health/ready"));
  }
}

TEST_F(RoutesTest, AWrongMethodNamesTheRightOne) {
  const RestResponse response = get("/v2/models/m/infer");
  EXPECT_EQ(response.status, 405);
  EXPECT_EQ(response.allow, "POST");
  EXPECT_EQ(ask({.method = "DELETE", .target = "/v2/models/m"}).allow, "GET, HEAD");
  EXPECT_EQ(ask({.method = "HEAD", .target = "/v2/models/m/infer"}).status, 405);
}

TEST_F(RoutesTest, AnInferenceCarriesModelAndVersionOfItsPath) {
  const RestResponse response = post("/v2/models/m/versions/canary/infer", infer_body);
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/json");
  EXPECT_EQ(protocol.asked.model_name(), "m");
  EXPECT_EQ(protocol.asked.model_version(), "canary");
  EXPECT_EQ(json::parse(response.body)["outputs"][0]["data"], json({"a"}));
}

TEST_F(RoutesTest, BinaryOutputsComeWithTheSizeOfTheirJson) {
  const std::string text =
      R"({"parameters":{"binary_data_output":true},"inputs":[{"name":"text","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}]})";
  const RestResponse response = ask({.method = "POST",
                                     .target = "/v2/models/m/infer",
                                     .json_size = std::to_string(text.size()),
                                     .body = text + "xy"});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(response.content_type, "application/octet-stream");
  EXPECT_EQ(response.body.substr(response.json_size.value()), "xy");
}

TEST_F(RoutesTest, APlainBodyIsTheModelsOneInput) {
  const RestResponse response =
      ask({.method = "POST", .target = "/v2/models/m/infer", .json_size = "0", .body = "fine"});
  ASSERT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(protocol.asked.raw_input_contents(0), "\4\0\0\0fine"s);
  EXPECT_EQ(response.body.substr(response.json_size.value()), "\4\0\0\0fine"s);
}

TEST_F(RoutesTest, AnAnswerIsWrittenOffTheThreadThatBringsIt) {
  std::function<void()> rest;
  std::vector<RestResponse> answers;
  routes.answer({.method = "POST",
                 .target = "/v2/models/m/infer",
                 .body = infer_body,
                 .soon = [&](std::function<void()> function) { rest = std::move(function); }},
                [&](RestResponse answer) { answers.push_back(std::move(answer)); });
  EXPECT_TRUE(answers.empty());
  rest();
  ASSERT_EQ(answers.size(), 1U);
  EXPECT_EQ(answers.front().status, 200);
}

TEST_F(RoutesTest, BadBodiesAndHeadersAre400) {
  EXPECT_EQ(post("/v2/models/m/infer", "{").status, 400);
  const RestResponse response = ask(
      {.method = "POST", .target = "/v2/models/m/infer", .json_size = "-1", .body = infer_body});
  EXPECT_EQ(response.status, 400);
  EXPECT_THAT(error(response), HasSubstr("Inference-Header-Content-Length is \"-1\""));
}

TEST_F(RoutesTest, ACompressedBodyIsRefused) {
  EXPECT_EQ(ask({.method = "POST",
                 .target = "/v2/models/m/infer",
                 .content_encoding = "gzip",
                 .body = infer_body})
                .status,
            415);
}

TEST_F(RoutesTest, StatusesAreTritons) {
  const std::pair<absl::Status, int> cases[] = {
      {absl::NotFoundError("x"), 404},         {absl::InvalidArgumentError("x"), 400},
      {absl::UnimplementedError("x"), 501},    {absl::UnavailableError("x"), 503},
      {absl::DeadlineExceededError("x"), 503}, {absl::FailedPreconditionError("x"), 400},
      {absl::InternalError("x"), 500}};
  for (const auto& [status, code] : cases) {
    protocol.failure = status;
    const RestResponse response = post("/v2/models/m/infer", infer_body);
    EXPECT_EQ(response.status, code) << status;
    EXPECT_EQ(error(response), "x");
  }
}

TEST_F(RoutesTest, TheIndexIsAnArrayAndTakesAnEmptyBody) {
  EXPECT_EQ(json::parse(post("/v2/repository/index", "").body).size(), 2U);
  EXPECT_EQ(json::parse(post("/v2/repository/index", R"({"ready":true})").body).size(), 1U);
  EXPECT_EQ(post("/v2/repository/index", R"({"ready":1})").status, 400);
}

TEST_F(RoutesTest, LoadsRunElsewhereAndCarryTheirParameters) {
  const RestResponse response =
      post("/v2/repository/models/m/load", R"({"parameters":{"config":"{}","file:1/a":"aGk="}})");
  EXPECT_EQ(response.status, 200) << response.body;
  EXPECT_EQ(slow, 1);
  EXPECT_EQ(protocol.loaded.parameters().at("config").string_param(), "{}");
  EXPECT_EQ(protocol.loaded.parameters().at("file:1/a").bytes_param(), "hi");
  EXPECT_EQ(post("/v2/repository/models/other/load", "").status, 400);
  EXPECT_EQ(post("/v2/repository/models/m/unload", R"({"parameters":{"unload_dependents":false}})")
                .status,
            200);
  EXPECT_FALSE(protocol.unloaded.parameters().at("unload_dependents").bool_param());
}

TEST_F(RoutesTest, ALoadThatFindsNoRoomIsTurnedAway) {
  no_room = absl::UnavailableError("too many wait");
  const RestResponse response = post("/v2/repository/models/m/load", "");
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(error(response), "too many wait");
}

TEST_F(RoutesTest, WhatIsNotOfferedSaysSo) {
  EXPECT_EQ(get("/v2/systemsharedmemory/status").status, 501);
  EXPECT_EQ(post("/v2/cudasharedmemory/region/r/register", "{}").status, 501);
  EXPECT_EQ(get("/v2/trace/setting").status, 501);
  EXPECT_EQ(post("/v2/logging", "{}").status, 501);
}

TEST_F(RoutesTest, MetricsNameRoutesAndNoModels) {
  post("/v2/models/secret/infer", infer_body);
  get("/nowhere/secret");
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr(R"(espalier_http_requests_total{code="200",route="infer"} 1)"));
  EXPECT_THAT(text, HasSubstr(R"(espalier_http_requests_total{code="404",route="none"} 1)"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("secret")));
}

}  // namespace
}  // namespace espalier::server
