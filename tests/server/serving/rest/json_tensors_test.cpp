#include "server/serving/rest/json_tensors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace espalier::server {
namespace {

using ::testing::HasSubstr;
using Shape = std::vector<int64_t>;
using namespace std::string_literals;

template <class T>
std::vector<T> elements(const absl::StatusOr<std::string>& raw) {
  EXPECT_TRUE(raw.ok()) << raw.status();
  if (!raw.ok()) return {};
  std::vector<T> values(raw->size() / sizeof(T));
  std::memcpy(values.data(), raw->data(), raw->size());
  return values;
}

absl::StatusOr<std::string> read(const std::string& type, const Shape& shape, const char* json) {
  return raw_from_json(type, shape, nlohmann::json::parse(json));
}

std::string problem(const std::string& type, const Shape& shape, const char* json) {
  const auto raw = read(type, shape, json);
  EXPECT_EQ(raw.status().code(), absl::StatusCode::kInvalidArgument) << json;
  return std::string(raw.status().message());
}

template <class T>
std::string written(const std::string& type, const std::vector<T>& values) {
  std::string json;
  const std::string raw(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  EXPECT_TRUE(append_json(type, raw, json).ok());
  return json;
}

TEST(JsonTensors, FlatAndNestedDataAreTheSame) {
  const std::vector<int64_t> expected = {1, 2, 3, -4};
  EXPECT_EQ(elements<int64_t>(read("INT64", {2, 2}, "[1,2,3,-4]")), expected);
  EXPECT_EQ(elements<int64_t>(read("INT64", {2, 2}, "[[1,2],[3,-4]]")), expected);
}

TEST(JsonTensors, NestedDataMustHaveTheShape) {
  EXPECT_THAT(problem("INT64", {2, 2}, "[[1,2],[3]]"),
              HasSubstr("an array of 1 where its shape [2,2] takes 2"));
  EXPECT_THAT(problem("INT64", {2, 2}, "[[1,2],3]"), HasSubstr("holds 3 where"));
  EXPECT_THAT(problem("INT64", {2, 2}, "[1,2,3]"), HasSubstr("an array of 3"));
  EXPECT_THAT(problem("INT64", {2}, "[[1],[2]]"),
              HasSubstr("holds an array; INT64 takes integers"));
}

TEST(JsonTensors, NumbersMustFitTheirType) {
  EXPECT_EQ(elements<uint8_t>(read("UINT8", {2}, "[0,255]")), (std::vector<uint8_t>{0, 255}));
  EXPECT_THAT(problem("UINT8", {1}, "[256]"), HasSubstr("holds 256; UINT8 takes integers within"));
  EXPECT_THAT(problem("UINT8", {1}, "[-1]"), HasSubstr("holds -1"));
  EXPECT_THAT(problem("INT32", {1}, "[1.5]"), HasSubstr("holds 1.5"));
  EXPECT_THAT(problem("INT64", {1}, "[18446744073709551615]"),
              HasSubstr("holds 18446744073709551615"));
  EXPECT_EQ(elements<uint64_t>(read("UINT64", {1}, "[18446744073709551615]")),
            (std::vector<uint64_t>{std::numeric_limits<uint64_t>::max()}));
  EXPECT_EQ(elements<float>(read("FP32", {2}, "[1,0.5]")), (std::vector<float>{1, 0.5}));
  EXPECT_THAT(problem("FP32", {1}, "[1e39]"), HasSubstr("FP32 takes numbers within its range"));
}

TEST(JsonTensors, TruthValuesAreNoNumbers) {
  EXPECT_EQ(*read("BOOL", {2}, "[true,false]"), "\1\0"s);
  EXPECT_THAT(problem("BOOL", {1}, "[1]"), HasSubstr("BOOL takes true and false"));
}

TEST(JsonTensors, BytesAreStringsWithTheirLengths) {
  EXPECT_EQ(*read("BYTES", {2}, R"(["ab","\u00e9"])"), "\2\0\0\0ab\2\0\0\0\xc3\xa9"s);
  EXPECT_THAT(problem("BYTES", {1}, "[7]"), HasSubstr("holds 7; BYTES takes strings"));
}

TEST(JsonTensors, HalfPrecisionHasNoJson) {
  EXPECT_THAT(problem("FP16", {1}, "[1]"), HasSubstr("use binary data"));
  std::string json;
  EXPECT_THAT(std::string(append_json("BF16", "ab", json).message()), HasSubstr("use binary data"));
  EXPECT_THAT(problem("FP8", {1}, "[1]"), HasSubstr("known: BOOL, UINT8"));
}

TEST(JsonTensors, ShapesThatAreNoneAreRefused) {
  EXPECT_THAT(problem("INT64", {-1}, "[]"), HasSubstr("impossible shape [-1]"));
  EXPECT_THAT(problem("INT64", {1 << 20, 1 << 20}, "[]"), HasSubstr("impossible shape"));
  EXPECT_THAT(problem("INT64", Shape(9, 1), "[1]"), HasSubstr("at most 8"));
  EXPECT_THAT(problem("INT64", {1}, "7"), HasSubstr("has 7 as data"));
}

TEST(JsonTensors, ADimensionOfZeroHasNoElements) {
  EXPECT_EQ(*read("FP32", {0, 2}, "[]"), "");
  EXPECT_EQ(*read("FP32", {2, 0}, "[[],[]]"), "");
}

TEST(JsonTensors, FloatsAreWrittenInTheirFewestDigits) {
  EXPECT_EQ(written<float>("FP32", {0.1F, -2, 1e20F}), "[0.1,-2,1e+20]");
  EXPECT_EQ(written<double>("FP64", {0.1, INFINITY}), "[0.1,null]");
  EXPECT_EQ(written<float>("FP32", {-0.0F, 0}), "[-0.0,0]");
}

TEST(JsonTensors, IntegersAndTruthValuesAreWritten) {
  EXPECT_EQ(written<int8_t>("INT8", {-128, 127}), "[-128,127]");
  EXPECT_EQ(written<uint8_t>("BOOL", {1, 0}), "[true,false]");
  EXPECT_EQ(written<int64_t>("INT64", {}), "[]");
}

TEST(JsonTensors, TextsAreEscapedAndOtherBytesRefused) {
  std::string json;
  ASSERT_TRUE(append_json("BYTES", "\1\0\0\0\"\2\0\0\0\xc3\xa9"s, json).ok());
  EXPECT_EQ(json, "[\"\\\"\",\"\xc3\xa9\"]");
  EXPECT_THAT(std::string(append_json("BYTES", "\1\0\0\0\xff"s, json).message()),
              HasSubstr("ask for it with binary_data"));
}

}  // namespace
}  // namespace espalier::server
