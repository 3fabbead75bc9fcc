#include "core/spec/stored_weights.h"

#include <cstring>
#include <functional>

#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using testing::Refuses;

// Two words, one layer without attention and with one neuron, no heads.
ModelConfig smallest_config() {
  ModelConfig config;
  config.hidden = 2;
  config.original_heads = 1;
  config.layers = {LayerShape{{}, 2, 1}};
  config.vocabulary = 2;
  config.positions = 2;
  return config;
}

struct StoredTensor {
  std::string dtype;
  std::vector<int64_t> shape;
  std::string bytes;
};
using StoredTensors = std::map<std::string, StoredTensor>;

template <class T>
StoredTensor stored(const char* dtype, std::vector<int64_t> shape, std::vector<T> values) {
  return {dtype, std::move(shape),
          std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T))};
}

constexpr char kUp[] = "layers.0.ffn.up.weight", kDown[] = "layers.0.ffn.down.weight";

StoredTensors in_fp32() {
  StoredTensors out;
  for (const auto& [name, shape] : expected_tensors(smallest_config())) {
    size_t size = 1;
    for (const int64_t n : shape) size *= static_cast<size_t>(n);
    out[name] = stored("F32", shape, std::vector<float>(size, 0.25F));
  }
  return out;
}

StoredTensors in_int8() {
  StoredTensors out = in_fp32();
  out[kUp] = stored<int8_t>("I8", {1, 2}, {127, -3});
  out[scale_name(kUp)] = stored<float>("F32", {1}, {0.5F});
  out[kDown] = stored<int8_t>("I8", {2, 1}, {127, 0});
  out[scale_name(kDown)] = stored<float>("F32", {2}, {2, 1});
  return out;
}

StoredTensors in_bf16() {
  StoredTensors out = in_fp32();
  out[kUp] = stored<uint16_t>("BF16", {1, 2}, {0x3F80, 0xC000});  // 1, -2
  out[kDown] = stored<uint16_t>("BF16", {2, 1}, {0, 0x3E80});     // 0, 0.25
  return out;
}

class StoredWeights : public ::testing::Test {
 protected:
  WeightFiles write(const StoredTensors& tensors) {
    std::vector<TensorView> views;
    for (const auto& [name, tensor] : tensors)
      views.push_back({name, tensor.dtype, tensor.shape, tensor.bytes.data()});
    EXPECT_TRUE(write_safetensors(scratch_.path() + "/model.safetensors", std::move(views)).ok());
    auto weights = WeightFiles::open(scratch_.path());
    EXPECT_TRUE(weights.ok()) << weights.status();
    return *std::move(weights);
  }
  absl::Status check(const StoredTensors& tensors, Precision precision) {
    return check_stored_weights(write(tensors), smallest_config(), precision);
  }
  // As `changed` leaves int8's.
  absl::Status spoilt(const std::function<void(StoredTensors&)>& change) {
    StoredTensors tensors = in_int8();
    change(tensors);
    return check(tensors, Precision::kInt8);
  }
  std::vector<float> read(const StoredTensors& tensors, const std::string& name, size_t count) {
    std::vector<float> out(count);
    read_stored(write(tensors), name, out.data());
    return out;
  }

  testing::Scratch scratch_;
};

TEST_F(StoredWeights, AreReadInEveryPrecision) {
  EXPECT_TRUE(check(in_fp32(), Precision::kFp32).ok());
  EXPECT_TRUE(check(in_bf16(), Precision::kBf16).ok());
  EXPECT_TRUE(check(in_int8(), Precision::kInt8).ok());
  EXPECT_THAT(read(in_fp32(), kUp, 2), Each(0.25F));
  EXPECT_THAT(read(in_bf16(), kUp, 2), ElementsAre(1.0F, -2.0F));
  EXPECT_THAT(read(in_bf16(), kDown, 2), ElementsAre(0.0F, 0.25F));
  EXPECT_THAT(read(in_int8(), kUp, 2), ElementsAre(63.5F, -1.5F));
  EXPECT_THAT(read(in_int8(), kDown, 2), ElementsAre(254.0F, 0.0F));
}

// What builds before bf16 and int8 read is 1; this one reads their artifacts too that say 1.
TEST_F(StoredWeights, HaveAFormatThatOlderBuildsRefuseUnlessTheyAreFp32) {
  EXPECT_EQ(artifact_format(Precision::kFp32), 1);
  EXPECT_EQ(artifact_format(Precision::kBf16), 2);
  EXPECT_EQ(artifact_format(Precision::kInt8), 2);
  const auto stated = [](int format, const char* precision) {
    return stated_precision({{"format", format}, {"precision", precision}}, "a/espalier.json");
  };
  EXPECT_EQ(*stated(1, "fp32"), Precision::kFp32);
  EXPECT_EQ(*stated(1, "int8"), Precision::kInt8);
  EXPECT_EQ(*stated(2, "bf16"), Precision::kBf16);
  EXPECT_THAT(stated(3, "int8").status(),
              Refuses("a/espalier.json has format 3; this build reads formats 1 and 2: a newer"));
  EXPECT_THAT(stated(0, "fp32").status(),
              Refuses("has format 0; this build reads formats 1 and 2"));
  EXPECT_THAT(stated(2, "int4").status(), Refuses("\"int4\"; known: fp32, bf16, int8"));
}

TEST_F(StoredWeights, AreNarrowInTheLayersLinearLayersOnly) {
  EXPECT_TRUE(is_narrowed(kUp, {4, 2}));
  EXPECT_TRUE(is_narrowed("layers.0.ffn.up.down.weight", {1, 2}));  // a factor
  EXPECT_FALSE(is_narrowed("layers.0.ffn.up.bias", {4}));
  EXPECT_FALSE(is_narrowed("layers.0.ffn.norm.weight", {2}));
  EXPECT_FALSE(is_narrowed("embeddings.word.weight", {9, 2}));
  EXPECT_FALSE(is_narrowed("classifier.weight", {3, 2}));
}

TEST_F(StoredWeights, OfAnotherPrecisionAreRefused) {
  EXPECT_THAT(check(in_fp32(), Precision::kInt8),
              Refuses("is F32 [2, 1]; an artifact in int8 with this config.json has I8 [2, 1]"));
  EXPECT_THAT(check(in_int8(), Precision::kFp32), Refuses("is I8 [2, 1]; an artifact in fp32"));
  EXPECT_THAT(check(in_bf16(), Precision::kInt8), Refuses("is BF16 [2, 1]"));
}

TEST_F(StoredWeights, AreRefusedWithoutGoodScales) {
  const std::string scale = scale_name(kDown);
  EXPECT_THAT(spoilt([&](StoredTensors& t) { t.erase(scale); }),
              Refuses("lacks the tensor layers.0.ffn.down.weight.scale"));
  EXPECT_THAT(spoilt([&](StoredTensors& t) { t[scale] = stored<float>("F32", {1}, {2}); }),
              Refuses("layers.0.ffn.down.weight.scale is F32 [1]"));
  EXPECT_THAT(spoilt([&](StoredTensors& t) {
                t[scale] = stored<uint16_t>("F16", {2}, {0, 0});
              }),
              Refuses("layers.0.ffn.down.weight.scale is F16 [2]"));
  EXPECT_THAT(spoilt([&](StoredTensors& t) {
                t[scale] = stored<float>("F32", {2}, {2, -1});
              }),
              Refuses("the scale of row 1 is -1"));
  EXPECT_THAT(spoilt([&](StoredTensors& t) {
                t[kDown] = stored<int8_t>("I8", {2, 1}, {-128, 0});
              }),
              Refuses("row 0 has the scale 2 and numbers up to 128"));
}

TEST_F(StoredWeights, AreRefusedWhenTheyAreNotTheConfigs) {
  EXPECT_THAT(spoilt([&](StoredTensors& t) { t.erase(kUp); }), Refuses("lacks the tensor"));
  EXPECT_THAT(spoilt([&](StoredTensors& t) {
                t[kUp] = stored<int8_t>("I8", {2, 1}, {127, 0});
              }),
              Refuses("layers.0.ffn.up.weight is I8 [2, 1]"));
}

}  // namespace
}  // namespace espalier
