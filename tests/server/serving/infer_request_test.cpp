#include "server/serving/infer_request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "server/common/status.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

absl::StatusOr<ParsedRequest> parse(const InferRequest& request) {
  return parse_infer_request(request, espalier::testing::fake_info());
}

TEST(InferRequest, ReadsTypedTexts) {
  const InferRequest request = text_request({"good", ""});  // texts are views into it
  const auto parsed = parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->texts, ElementsAre("good", ""));
  EXPECT_TRUE(parsed->pairs.empty());
}

TEST(InferRequest, ReadsRawTextsOfAColumn) {
  InferRequest request;
  add_raw_texts(request, {"good", "", "bad"});
  const auto parsed = parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->texts, ElementsAre("good", "", "bad"));
}

TEST(InferRequest, ReadsPairs) {
  InferRequest request = text_request({"a"});
  add_texts(request, {"b"}, "text_pair");
  const auto parsed = parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->pairs, ElementsAre("b"));
}

TEST(InferRequest, DropsThePaddingOfIds) {
  const auto parsed = parse(id_request({101, 7, 102, 101, 102, 0}, {1, 1, 1, 1, 1, 0}, 2));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  ASSERT_EQ(parsed->rows.size(), 2u);
  EXPECT_THAT(parsed->rows[0].input.ids, ElementsAre(101, 7, 102));
  EXPECT_THAT(parsed->rows[1].input.ids, ElementsAre(101, 102));
  EXPECT_THAT(parsed->rows[1].input.types, ElementsAre(0, 0));
}

TEST(InferRequest, ReadsRawIntegersOfBothWidths) {
  InferRequest request;
  add_input(request, "input_ids", "INT64", {1, 2});
  add_input(request, "attention_mask", "INT32", {1, 2});
  add_input(request, "token_type_ids", "INT32", {1, 2});
  const std::vector<int64_t> ids = {101, 102};
  request.add_raw_input_contents(std::string(reinterpret_cast<const char*>(ids.data()), 16));
  request.add_raw_input_contents(raw_bytes(std::vector<int32_t>{1, 1}));
  request.add_raw_input_contents(raw_bytes(std::vector<int32_t>{0, 1}));
  const auto parsed = parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->rows[0].input.ids, ElementsAre(101, 102));
  EXPECT_THAT(parsed->rows[0].input.types, ElementsAre(0, 1));
}

TEST(InferRequest, AsksForAllOutputsUnlessSomeAreNamed) {
  InferRequest request = text_request({"a"});
  EXPECT_EQ(parse(request)->outputs.size(), 5u);
  request.add_outputs()->set_name("exit_layer");
  request.add_outputs()->set_name("logits");
  EXPECT_THAT(names_of_outputs(parse(request)->outputs),
              ElementsAre(Output::kExitLayer, Output::kLogits));
}

runtime::ModelInfo masked_info() {
  runtime::ModelInfo info = espalier::testing::fake_info();
  info.objective = Objective::kWords;
  info.mask_id = 103;
  info.mask_text = "[MASK]";
  return info;
}

TEST(InferRequest, AsksForTheMasksAmongIds) {
  const auto parsed =
      parse_infer_request(id_request({101, 103, 7, 103, 102}, {1, 1, 1, 1, 1}, 1), masked_info());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->rows[0].input.asked, ElementsAre(1, 3));
  EXPECT_THAT(names_of_outputs(parsed->outputs), ElementsAre(Output::kLabel, Output::kExitLayer,
                                                             Output::kConfidence, Output::kAnswer));
  const auto none = parse_infer_request(id_request({101, 102}, {1, 1}, 1), masked_info());
  EXPECT_THAT(std::string(none.status().message()),
              HasSubstr("has no mask token ([MASK], id 103) in row 0"));
}

TEST(InferRequest, CarriesLogitsOfWordsOnlyWhenTheyAreNamed) {
  const espalier::testing::FakeEngine engine(masked_info());
  InferRequest request = text_request({"a"});
  EXPECT_FALSE(
      encode_request(*parse_infer_request(request, masked_info()), engine)->rows[0].with_logits);
  request.add_outputs()->set_name("logits");
  EXPECT_TRUE(
      encode_request(*parse_infer_request(request, masked_info()), engine)->rows[0].with_logits);
  request.mutable_outputs(0)->set_name("probabilities");
  EXPECT_FALSE(parse_infer_request(request, masked_info()).ok());
}

TEST(InferRequest, EncodesTextsAndHandsTheKnobsToEachRow) {
  InferRequest request = text_request({"ab", "a text that is far too long"});
  (*request.mutable_parameters())["exit_threshold"].set_double_param(0.25);
  (*request.mutable_parameters())["max_exit_layer"].set_int64_param(3);
  const espalier::testing::FakeEngine engine;
  const EncodedRequest encoded = *encode_request(*parse(request), engine);
  EXPECT_THAT(encoded.rows[0].input.ids, ElementsAre(101, 'a', 'b', 102));
  EXPECT_EQ(encoded.rows[1].exit_threshold, 0.25);
  EXPECT_EQ(encoded.rows[1].max_exit_layer, 3);
  EXPECT_TRUE(encoded.truncated);
}

TEST(InferRequest, LeavesTheKnobsAtTheCalibratedPointByDefault) {
  const auto parsed = parse(text_request({"a"}));
  EXPECT_TRUE(std::isnan(parsed->parameters.exit_threshold));
  EXPECT_EQ(parsed->parameters.max_exit_layer, 0);
  EXPECT_FALSE(parsed->parameters.timeout.has_value());
}

// Reads every text in so many windows.
class Windows : public espalier::testing::FakeEngine {
 public:
  explicit Windows(size_t count) : count_(count) {}
  absl::StatusOr<std::vector<Features>> encode(const Sample& sample) const override {
    return std::vector<Features>(count_, FakeEngine::encode(sample)->front());
  }

 private:
  size_t count_;
};

TEST(InferRequest, ReadsALongTextInWindows) {
  const EncodedRequest encoded = *encode_request(*parse(text_request({"a", "b"})), Windows(3));
  EXPECT_EQ(encoded.rows.size(), 6u);
  ASSERT_EQ(encoded.read.size(), 2u);
  EXPECT_EQ(encoded.read[1].windows.size(), 3u);
}

TEST(InferRequest, StopsReadingWhenNobodyWaitsAnyMore) {
  espalier::testing::FakeEngine engine;
  int encoded = 0;
  engine.on_encode = [&] { ++encoded; };
  const auto go_on = [&] {
    return encoded < 2 ? absl::OkStatus() : absl::CancelledError("the caller has gone");
  };
  const InferRequest request = text_request({"a", "b", "c", "d"});
  EXPECT_TRUE(absl::IsCancelled(encode_request(*parse(request), engine, go_on).status()));
  EXPECT_EQ(encoded, 2);
}

TEST(InferRequest, BoundsTheWindowsOfARequest) {
  const auto refused =
      encode_request(*parse(text_request({"a", "b"})), Windows(kMaxRequestRows / 2 + 1));
  EXPECT_TRUE(absl::IsInvalidArgument(refused.status()));
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("row 0 is read in 2049 windows, where a request of 2 rows takes at most "
                        "2048 a row"));
}

struct BadCase {
  const char* name;
  std::function<InferRequest()> make;
  const char* message;  // part of it
  const char* field = "";
  absl::StatusCode code = absl::StatusCode::kInvalidArgument;
};
void PrintTo(const BadCase& bad, std::ostream* out) { *out << bad.name; }

class BadRequest : public ::testing::TestWithParam<BadCase> {};

TEST_P(BadRequest, IsRefusedWithWhatWouldWork) {
  const auto parsed = parse(GetParam().make());
  EXPECT_EQ(parsed.status().code(), GetParam().code);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr(GetParam().message));
  if (*GetParam().field != 0) {
    ASSERT_EQ(fields_of(parsed.status()).size(), 1u);
    EXPECT_EQ(fields_of(parsed.status())[0].field, GetParam().field);
  }
}

// A good text request with one change.
std::function<InferRequest()> text_but(std::function<void(InferRequest&)> change) {
  return [change] {
    InferRequest request = text_request({"a", "b"});
    change(request);
    return request;
  };
}
// A good id request with one change.
std::function<InferRequest()> ids_but(std::function<void(InferRequest&)> change) {
  return [change] {
    InferRequest request = id_request({101, 102}, {1, 1}, 1);
    change(request);
    return request;
  };
}
std::function<InferRequest()> with_parameter(const char* name,
                                             std::function<void(inference::InferParameter&)> set) {
  return text_but([=](InferRequest& request) { set((*request.mutable_parameters())[name]); });
}

const BadCase kBadInputs[] = {
    {"NoInputs", [] { return InferRequest(); }, "no inputs", "inputs"},
    {"UnknownName", text_but([](auto& r) { r.mutable_inputs(0)->set_name("texts"); }),
     "known: text, text_pair, input_ids", "inputs[0]"},
    {"ImageForAModelOfTexts", text_but([](auto& r) { r.mutable_inputs(0)->set_name("image"); }),
     "is for models that read images; this one, for text-classification, reads texts and knows: "
     "text, text_pair",
     "inputs[0]"},
    {"TwiceTheSame", text_but([](auto& r) { add_texts(r, {"a"}); }), "appears twice", "inputs[1]"},
    {"TextAndIds", text_but([](auto& r) { add_integers(r, "input_ids", {1}, 1); }),
     "both texts and ids"},
    {"PairAlone", text_but([](auto& r) { r.mutable_inputs(0)->set_name("text_pair"); }),
     "without \"text\""},
    {"MaskAlone", ids_but([](auto& r) { r.mutable_inputs()->DeleteSubrange(0, 1); }),
     "\"input_ids\" is missing"},
    {"IdsWithoutMask", ids_but([](auto& r) { r.mutable_inputs()->RemoveLast(); }),
     "without \"attention_mask\""},
    {"TextOfWrongType", text_but([](auto& r) { r.mutable_inputs(0)->set_datatype("FP32"); }),
     "takes BYTES", "inputs[0]"},
    {"TextOfWrongShape", text_but([](auto& r) { r.mutable_inputs(0)->add_shape(2); }),
     "has shape [2,2]; it takes [n] or [n,1]"},
    {"NegativeShape", text_but([](auto& r) { r.mutable_inputs(0)->set_shape(0, -1); }),
     "has -1 rows"},
    {"NoRows", [] { return text_request({}); }, "has 0 rows; a request takes 1 to 4096"},
    {"TooManyRows", [] { return text_request(std::vector<std::string>(4097, "a")); },
     "has 4097 rows"},
    {"FewerElementsThanTheShape", text_but([](auto& r) { r.mutable_inputs(0)->set_shape(0, 3); }),
     "has 2 elements of BYTES; its shape [3] takes 3"},
    {"PairOfOtherLength", text_but([](auto& r) { add_texts(r, {"a"}, "text_pair"); }),
     "has 1 rows; \"text\" has 2", "inputs[1]"},
    {"RawAndTyped", text_but([](auto& r) { r.add_raw_input_contents("x"); }),
     "both contents and raw_input_contents"},
    {"RawCountDiffers", ids_but([](auto& r) { r.add_raw_input_contents("x"); }),
     "2 inputs and 1 raw_input_contents", "raw_input_contents"},
    {"RawTextEndsInALength",
     [] {
       InferRequest request;
       add_raw_texts(request, {"ab"});
       request.mutable_raw_input_contents(0)->append("\1\0", 2);
       return request;
     },
     "ends after 2 of the 4 length bytes of element 1"},
    {"RawTextAnnouncesTooMuch",
     [] {
       InferRequest request;
       add_raw_texts(request, {"ab"});
       request.mutable_raw_input_contents(0)->pop_back();
       return request;
     },
     "announces 2 bytes for element 0 and holds 1"},
    {"RawIntegersOfWrongLength", ids_but([](auto& r) {
       for (auto& input : *r.mutable_inputs()) input.clear_contents();
       r.add_raw_input_contents(std::string(15, '\0'));
       r.add_raw_input_contents(std::string(16, '\0'));
     }),
     "has 15 raw bytes; INT64 of shape [1,2] takes 16"},
    {"IdsOfWrongType", ids_but([](auto& r) { r.mutable_inputs(0)->set_datatype("INT16"); }),
     "takes INT64 or INT32"},
    {"IdsOfWrongRank", ids_but([](auto& r) { r.mutable_inputs(0)->mutable_shape()->RemoveLast(); }),
     "takes [n,T]"},
    {"MaskOfOtherShape",
     [] {
       InferRequest request = id_request({101, 102}, {1, 1}, 1);
       request.mutable_inputs(1)->set_shape(1, 3);
       return request;
     },
     "has shape [1,3]; \"input_ids\" has [1,2]"},
    {"LeftPadding",
     [] {
       return id_request({0, 101}, {0, 1}, 1);
     },
     "pad on the right"},
    {"EmptyRow",
     [] {
       return id_request({101, 102}, {0, 0}, 1);
     },
     "leaves no token in row 0"},
    {"MaskWithATwo",
     [] {
       return id_request({101, 102}, {1, 2}, 1);
     },
     "holds 2 in row 0"},
    {"IdOutOfVocabulary",
     [] {
       return id_request({101, 300}, {1, 1}, 1);
     },
     "holds 300 in row 0; token ids are 0 to 299", "inputs[0]"},
    {"NegativeId",
     [] {
       return id_request({101, -1}, {1, 1}, 1);
     },
     "holds -1 in row 0"},
    {"TypeOutOfRange", ids_but([](auto& r) {
       add_integers(r, "token_type_ids", {0, 2}, 1);
     }),
     "token types are 0 to 1"},
    {"TooLong",
     [] { return id_request(std::vector<int64_t>(17, 1), std::vector<int64_t>(17, 1), 1); },
     "rows of 17 tokens; the model takes 1 to 16"},
    {"TextTooLong",
     [] {
       return text_request({"a", std::string(kMaxTextBytes + 1, 'b')});
     },
     "has 262145 bytes in row 1; a text takes at most 262144"},
    {"SharedMemory", text_but([](auto& r) {
       (*r.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("x");
     }),
     "shared memory", "", absl::StatusCode::kUnimplemented},
};
INSTANTIATE_TEST_SUITE_P(Inputs, BadRequest, ::testing::ValuesIn(kBadInputs),
                         [](const auto& info) { return info.param.name; });

const BadCase kBadOutputs[] = {
    {"Unknown", text_but([](auto& r) { r.add_outputs()->set_name("logit"); }),
     "known: logits, probabilities, label, exit_layer, confidence", "outputs[0]"},
    {"Twice", text_but([](auto& r) {
       r.add_outputs()->set_name("label");
       r.add_outputs()->set_name("label");
     }),
     "asked for twice", "outputs[1]"},
    {"ClassificationOfALabel", text_but([](auto& r) {
       r.add_outputs()->set_name("label");
       (*r.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(1);
     }),
     "no classes to rank", "outputs[0]"},
    {"ClassificationOfNone", text_but([](auto& r) {
       r.add_outputs()->set_name("logits");
       (*r.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(0);
     }),
     "int64 of at least 1", "outputs[0]"},
    {"OutputInSharedMemory", text_but([](auto& r) {
       r.add_outputs()->set_name("logits");
       (*r.mutable_outputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("x");
     }),
     "shared memory", "outputs[0]", absl::StatusCode::kUnimplemented},
    {"UnknownParameter", text_but([](auto& r) {
       r.add_outputs()->set_name("logits");
       (*r.mutable_outputs(0)->mutable_parameters())["top"].set_int64_param(1);
     }),
     "it takes classification", "outputs[0]"},
};
INSTANTIATE_TEST_SUITE_P(Outputs, BadRequest, ::testing::ValuesIn(kBadOutputs),
                         [](const auto& info) { return info.param.name; });

const BadCase kBadParameters[] = {
    {"ThresholdAsString",
     with_parameter("exit_threshold", [](auto& v) { v.set_string_param("0.5"); }),
     "holds a string; it takes a double or an int64", "parameters[exit_threshold]"},
    {"ThresholdNaN", with_parameter("exit_threshold", [](auto& v) { v.set_double_param(NAN); }),
     "takes 0 to 1, calibrated is 0.5"},
    {"ThresholdOutOfRange",
     with_parameter("exit_threshold", [](auto& v) { v.set_double_param(1.5); }), "is 1.5"},
    {"LayerAsDouble", with_parameter("max_exit_layer", [](auto& v) { v.set_double_param(2); }),
     "holds a double; it takes an int64"},
    {"LayerZero", with_parameter("max_exit_layer", [](auto& v) { v.set_int64_param(0); }),
     "the layers 1 to 4"},
    {"LayerBeyondTheLast", with_parameter("max_exit_layer", [](auto& v) { v.set_int64_param(5); }),
     "the layers 1 to 4"},
    {"NegativeTimeout", with_parameter("timeout", [](auto& v) { v.set_int64_param(-1); }),
     "microseconds"},
    {"TimeoutAsBool", with_parameter("timeout", [](auto& v) { v.set_bool_param(true); }),
     "takes an int64"},
    {"SequenceStartAsInteger",
     with_parameter("sequence_start", [](auto& v) { v.set_int64_param(1); }), "takes a bool"},
    {"SequenceBegun", with_parameter("sequence_start", [](auto& v) { v.set_bool_param(true); }),
     "no state between requests", "parameters[sequence_start]", absl::StatusCode::kUnimplemented},
    {"SequenceNamed", with_parameter("sequence_id", [](auto& v) { v.set_string_param("7"); }),
     "no state between requests", "parameters[sequence_id]", absl::StatusCode::kUnimplemented},
    {"PriorityAsString", with_parameter("priority", [](auto& v) { v.set_string_param("1"); }),
     "takes an integer"},
    {"NegativePriority", with_parameter("priority", [](auto& v) { v.set_int64_param(-1); }),
     "1 is the highest"},
    {"FinalResponseAsInteger",
     with_parameter("triton_enable_empty_final_response", [](auto& v) { v.set_int64_param(1); }),
     "takes a bool"},
    {"EmptyValue", with_parameter("exit_threshold", [](auto&) {}), "holds a nothing"},
    {"ReservedPrefix", with_parameter("triton_x", [](auto& v) { v.set_bool_param(true); }),
     "reserved"},
    {"Misspelt", with_parameter("exit_treshold", [](auto& v) { v.set_double_param(0.5); }),
     "known: exit_threshold, max_exit_layer, timeout"},
};
INSTANTIATE_TEST_SUITE_P(Parameters, BadRequest, ::testing::ValuesIn(kBadParameters),
                         [](const auto& info) { return info.param.name; });

TEST(InferParameters, AcceptsWhatStandardClientsSend) {
  InferRequest request = text_request({"a"});
  auto& parameters = *request.mutable_parameters();
  parameters["sequence_id"].set_int64_param(0);
  parameters["sequence_start"].set_bool_param(false);
  parameters["sequence_end"].set_bool_param(false);
  parameters["priority"].set_uint64_param(3);
  parameters["triton_enable_empty_final_response"].set_bool_param(true);
  parameters["timeout"].set_int64_param(2500);
  parameters["somebody_elses"].set_string_param("x");
  const auto parsed = parse(request);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->parameters.timeout, std::chrono::microseconds(2500));
  EXPECT_EQ(parsed->parameters.priority, 3);
}

TEST(InferParameters, AWholeNumberIsAThresholdToo) {
  InferRequest request = text_request({"a"});
  (*request.mutable_parameters())["exit_threshold"].set_int64_param(1);
  EXPECT_EQ(parse(request)->parameters.exit_threshold, 1.0);
}

TEST(InferParameters, AModelWithoutExitsRefusesExitKnobs) {
  InferRequest request = text_request({"a"});
  (*request.mutable_parameters())["exit_threshold"].set_double_param(0.5);
  runtime::ModelInfo info = espalier::testing::fake_info();
  info.has_exits = false;
  const auto parsed = parse_infer_request(request, info);
  EXPECT_THAT(std::string(parsed.status().message()), HasSubstr("no early exits"));
}

}  // namespace
}  // namespace espalier::server
