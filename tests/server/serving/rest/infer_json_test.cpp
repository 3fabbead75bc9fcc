#include "server/serving/rest/infer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace espalier::server {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using namespace std::string_literals;

// A body of JSON and then `binary`, with the header that says so.
absl::StatusOr<InferBody> parse(const std::string& text, const std::string& binary) {
  return parse_infer_body(text + binary, text.size());
}

std::string problem(const absl::StatusOr<InferBody>& body) {
  EXPECT_EQ(body.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(body.status().message());
}

std::string problem(const std::string& text) {
  return problem(parse_infer_body(text, std::nullopt));
}

inference::ModelInferResponse answer() {
  inference::ModelInferResponse response;
  response.set_model_name("m");
  response.set_model_version("stable");
  (*response.mutable_parameters())["truncated"].set_bool_param(false);
  auto* layer = response.add_outputs();
  layer->set_name("exit_layer");
  layer->set_datatype("INT32");
  layer->add_shape(1);
  response.add_raw_output_contents("\3\0\0\0"s);
  auto* label = response.add_outputs();
  label->set_name("label");
  label->set_datatype("BYTES");
  label->add_shape(1);
  response.add_raw_output_contents("\2\0\0\0ok"s);
  return response;
}

TEST(InferBody, JsonInputsBecomeRawContents) {
  const auto body = parse_infer_body(
      R"({"id":"7","inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":["ab"]}]})",
      std::nullopt);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->request.id(), "7");
  EXPECT_EQ(body->request.inputs(0).name(), "text");
  EXPECT_EQ(body->request.inputs(0).shape(0), 1);
  EXPECT_EQ(body->request.raw_input_contents(0), "\2\0\0\0ab"s);
  EXPECT_FALSE(body->forms.is_binary("label"));
}

TEST(InferBody, BinaryInputsAreTakenInTheirOrderAndMixWithJson) {
  const auto body = parse(R"({"inputs":[
      {"name":"a","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}},
      {"name":"b","datatype":"UINT8","shape":[1],"data":[9]},
      {"name":"c","datatype":"FP16","shape":[1],"parameters":{"binary_data_size":2}}]})",
                          "xyzw");
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_THAT(body->request.raw_input_contents(), ::testing::ElementsAre("xy", "\t", "zw"));
  EXPECT_TRUE(body->request.inputs(0).parameters().empty());
}

TEST(InferBody, SizesOfBinaryDataMustAddUpToTheBody) {
  const std::string input =
      R"({"inputs":[{"name":"a","datatype":"UINT8","shape":[2],"parameters":{"binary_data_size":2}}]})";
  EXPECT_THAT(problem(parse(input, "x")),
              HasSubstr("announces 2 bytes of binary data and 1 are left"));
  EXPECT_THAT(problem(parse(input, "xyz")), HasSubstr("ends with 1 bytes that belong to no input"));
  EXPECT_THAT(problem(parse_infer_body(input, input.size() + 1)),
              HasSubstr("Inference-Header-Content-Length"));
}

TEST(InferBody, AnInputHasDataInOneForm) {
  const std::string input = R"({"inputs":[{"name":"a","datatype":"UINT8","shape":[1])";
  EXPECT_THAT(problem(input + "}]}"), HasSubstr("input \"a\" has no elements"));
  EXPECT_THAT(problem(parse(input + R"(,"data":[1],"parameters":{"binary_data_size":1}}]})", "x")),
              HasSubstr("both \"data\" and \"binary_data_size\""));
}

TEST(InferBody, SharedMemoryIsLeftToTheProtocolToRefuse) {
  const auto body = parse_infer_body(
      R"({"inputs":[{"name":"a","datatype":"UINT8","shape":[1],"parameters":{"shared_memory_region":"r"}}]})",
      std::nullopt);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->request.inputs(0).parameters().at("shared_memory_region").string_param(), "r");
}

TEST(InferBody, ParametersKeepTheirTypes) {
  const auto body = parse_infer_body(
      R"({"parameters":{"b":true,"i":-1,"u":18446744073709551615,"d":0.5,"s":"x"},"inputs":[]})",
      std::nullopt);
  ASSERT_TRUE(body.ok()) << body.status();
  const auto& parameters = body->request.parameters();
  EXPECT_TRUE(parameters.at("b").bool_param());
  EXPECT_EQ(parameters.at("i").int64_param(), -1);
  EXPECT_EQ(parameters.at("u").uint64_param(), UINT64_MAX);
  EXPECT_EQ(parameters.at("d").double_param(), 0.5);
  EXPECT_EQ(parameters.at("s").string_param(), "x");
  EXPECT_THAT(problem(R"({"parameters":{"n":null}})"), HasSubstr("parameter \"n\" is null"));
}

TEST(InferBody, AnOutputsFormOverridesTheRequests) {
  const auto body = parse_infer_body(
      R"({"parameters":{"binary_data_output":true},"inputs":[],"outputs":[
          {"name":"label","parameters":{"binary_data":false,"classification":2}},{"name":"logits"}]})",
      std::nullopt);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_FALSE(body->forms.is_binary("label"));
  EXPECT_TRUE(body->forms.is_binary("logits"));
  EXPECT_TRUE(body->request.parameters().empty());
  EXPECT_EQ(body->request.outputs(0).parameters().size(), 1);
  EXPECT_EQ(body->request.outputs(0).parameters().at("classification").int64_param(), 2);
}

TEST(InferBody, WhatIsNoRequestSaysWhereItStopsBeingOne) {
  EXPECT_THAT(problem(""), HasSubstr("the body is empty"));
  EXPECT_THAT(problem("{\"inputs\":"), HasSubstr("parse error at line 1, column 11"));
  EXPECT_THAT(problem("[]"), HasSubstr("array instead of an object"));
  EXPECT_THAT(problem(R"({"inputs":7})"), HasSubstr("\"inputs\" must be an array"));
  EXPECT_THAT(problem(R"({"inputs":[{}]})"), HasSubstr("inputs[0]: \"name\" is missing"));
  EXPECT_THAT(problem(R"({"inputs":[{"name":"a","datatype":"INT8","shape":[0.5]}]})"),
              HasSubstr("input \"a\" has a \"shape\" that holds no integers"));
}

TEST(InferBody, MuchJsonIsRefusedBeforeItIsRead) {
  EXPECT_THAT(problem(std::string(kMaxJsonBytes + 1, ' ')), HasSubstr("goes as binary data"));
}

TEST(InferBody, WithoutJsonItIsTheOneElementOfTheFirstInput) {
  inference::ModelMetadataResponse metadata;
  metadata.add_inputs()->set_name("text");
  metadata.mutable_inputs(0)->set_datatype("BYTES");
  const auto body = parse_plain_body("ab", metadata);
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_EQ(body->request.inputs(0).name(), "text");
  EXPECT_EQ(body->request.raw_input_contents(0), "\2\0\0\0ab"s);
  EXPECT_TRUE(body->forms.is_binary("label"));
  EXPECT_THAT(problem(parse_plain_body("ab", {})), HasSubstr("send JSON"));
}

TEST(InferAnswer, InJsonCarriesItsData) {
  const auto body = write_infer_body(answer(), {});
  ASSERT_TRUE(body.ok()) << body.status();
  EXPECT_FALSE(body->json_size.has_value());
  const json expected = {
      {"model_name", "m"},
      {"model_version", "stable"},
      {"parameters", {{"truncated", false}}},
      {"outputs",
       {{{"name", "exit_layer"}, {"datatype", "INT32"}, {"shape", {1}}, {"data", {3}}},
        {{"name", "label"}, {"datatype", "BYTES"}, {"shape", {1}}, {"data", {"ok"}}}}}};
  EXPECT_EQ(json::parse(body->text), expected);
}

TEST(InferAnswer, BinaryDataFollowTheJson) {
  const auto body =
      write_infer_body(answer(), {.binary = true, .binary_of = {{"exit_layer", false}}});
  ASSERT_TRUE(body.ok() && body->json_size.has_value());
  EXPECT_EQ(body->text.substr(*body->json_size), "\2\0\0\0ok"s);
  const json head = json::parse(body->text.substr(0, *body->json_size));
  EXPECT_EQ(head["outputs"][1]["parameters"]["binary_data_size"], 6);
  EXPECT_FALSE(head["outputs"][1].contains("data"));
  EXPECT_EQ(head["outputs"][0]["data"], json({3}));
}

}  // namespace
}  // namespace espalier::server
