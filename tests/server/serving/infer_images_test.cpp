// Requests to models that read images.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "server/serving/infer_request.h"
#include "server/serving/metadata.h"
#include "tests/core/image/files.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/testing/fake_engine.h"

namespace espalier::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of one colour, 2 x 2.
runtime::ModelInfo image_info() {
  runtime::ModelInfo info = espalier::testing::fake_info();
  info.task = "image-classification";
  info.reads = Reads::kImage;
  info.channels = 1;
  info.image_size = 2;
  info.max_length = 5;
  return info;
}

InferRequest pixel_request(const std::string& raw, int64_t rows) {
  InferRequest request;
  add_input(request, "pixels", "UINT8", {rows, 1, 2, 2});
  request.add_raw_input_contents(raw);
  return request;
}

TEST(InferImages, ReadsFilesOfImages) {
  InferRequest request;
  add_texts(request, {"one", "two"}, "image");
  const auto parsed = parse_infer_request(request, image_info());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_THAT(parsed->images, ElementsAre("one", "two"));
  const espalier::testing::FakeEngine engine(image_info());
  const EncodedRequest encoded = *encode_request(*parsed, engine);
  ASSERT_EQ(encoded.rows.size(), 2u);
  EXPECT_THAT(encoded.rows[1].input.pixels, ElementsAre('t', 'w', 'o'));
  EXPECT_EQ(encoded.read[1].sample.image, "two");
}

TEST(InferImages, ReadsPixelsRawAndTyped) {
  const auto raw = parse_infer_request(pixel_request("abcdefgh", 2), image_info());
  ASSERT_TRUE(raw.ok()) << raw.status();
  ASSERT_EQ(raw->rows.size(), 2u);
  EXPECT_THAT(raw->rows[1].input.pixels, ElementsAre('e', 'f', 'g', 'h'));
  EXPECT_EQ(raw->rows[1].input.tokens(), 5);
  InferRequest typed;
  auto& input = add_input(typed, "pixels", "UINT8", {1, 1, 2, 2});
  for (const uint32_t value : {0, 1, 254, 255}) input.mutable_contents()->add_uint_contents(value);
  EXPECT_THAT(parse_infer_request(typed, image_info())->rows[0].input.pixels,
              ElementsAre(0, 1, 254, 255));
  typed.mutable_inputs(0)->mutable_contents()->set_uint_contents(3, 256);
  EXPECT_THAT(std::string(parse_infer_request(typed, image_info()).status().message()),
              HasSubstr("holds 256; UINT8 ends at 255"));
}

TEST(InferImages, RefusesImagesThatTheModelCannotRead) {
  const auto refusal = [](const InferRequest& request) {
    return std::string(parse_infer_request(request, image_info()).status().message());
  };
  EXPECT_THAT(refusal(text_request({"a"})),
              HasSubstr("\"text\" is for models that read texts; this one, for "
                        "image-classification, reads images and knows: image, pixels"));
  EXPECT_THAT(refusal(InferRequest()), HasSubstr("no inputs; send either image or pixels"));
  EXPECT_THAT(refusal(pixel_request("abc", 1)), HasSubstr("has 3 elements of UINT8"));
  InferRequest request = pixel_request("abcd", 1);
  request.mutable_inputs(0)->set_shape(3, 3);
  EXPECT_THAT(refusal(request), HasSubstr("has shape [1,1,2,3]; it takes [n,1,2,2]"));
  request = pixel_request("abcd", 1);
  request.mutable_inputs(0)->set_datatype("FP32");
  EXPECT_THAT(refusal(request), HasSubstr("it takes UINT8"));
  request = InferRequest();
  add_texts(request, {"one"}, "image");
  add_texts(request, {"one"}, "pixels");
  EXPECT_THAT(refusal(request), HasSubstr("both files and pixels"));
  request = InferRequest();
  add_texts(request, {std::string(kMaxImageBytes + 1, 'x')}, "image");
  EXPECT_THAT(refusal(request), HasSubstr("an image takes at most 16777216"));
}

// A file of some hundred bytes that promises 8000 x 8000 pixels.
std::string bomb() {
  std::string file = espalier::testing::bytes_of(espalier::testing::kJpeg);
  return file.replace(file.find("\xff\xc0") + 5, 4, "\x1f\x40\x1f\x40", 4);
}

TEST(InferImages, RefusesMorePixelsThanARequestMayHave) {
  InferRequest request;
  add_texts(request, {bomb(), bomb(), bomb(), bomb(), "no image"}, "image");
  EXPECT_TRUE(parse_infer_request(request, image_info()).ok());  // 256 million: it fits
  request = InferRequest();
  add_texts(request, {bomb(), bomb(), bomb(), bomb(), bomb()}, "image");
  const absl::Status refused = parse_infer_request(request, image_info()).status();
  EXPECT_TRUE(absl::IsInvalidArgument(refused));
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("holds 320000000 pixels in 5 rows; a request takes at most 268435456"));
}

TEST(InferImages, AreWhatTheMetadataAskFor) {
  const ModelCard card{"pictures", "v1", image_info()};
  inference::ModelMetadataResponse metadata;
  fill_model_metadata(card, {}, &metadata);
  ASSERT_EQ(metadata.inputs_size(), 2);
  EXPECT_EQ(metadata.inputs(0).name(), "image");
  EXPECT_THAT(metadata.inputs(0).shape(), ElementsAre(-1));
  EXPECT_EQ(metadata.inputs(1).datatype(), "UINT8");
  EXPECT_THAT(metadata.inputs(1).shape(), ElementsAre(-1, 1, 2, 2));
  EXPECT_EQ(metadata.properties().at("image_size"), "2");
  inference::ModelConfig config;
  fill_model_config(card, {}, {}, &config);
  EXPECT_THAT(config.input(0).dims(), ElementsAre(1));
  EXPECT_THAT(config.input(1).dims(), ElementsAre(1, 2, 2));
  EXPECT_FALSE(config.input(1).allow_ragged_batch());
}

}  // namespace
}  // namespace espalier::server
