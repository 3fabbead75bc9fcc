#include "core/spec/weight_files.h"

#include <cstring>

#include "core/base/options.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;
using testing::Scratch;

constexpr char kIndexFile[] = "model.safetensors.index.json";

// Two shards, a in the first and b in the second, that a test spoils.
class Sharded {
 public:
  Sharded() {
    write("one.safetensors", "a", 1);
    write("two.safetensors", "b", 2);
  }
  void write(const std::string& file, const std::string& tensor, float value) {
    ASSERT_TRUE(
        write_safetensors(scratch_.path() + "/" + file, {{tensor, "F32", {1}, &value}}).ok());
  }
  absl::StatusOr<WeightFiles> open(const std::string& index) {
    scratch_.write(kIndexFile, index);
    return WeightFiles::open(scratch_.path());
  }
  const Scratch& scratch() const { return scratch_; }

 private:
  Scratch scratch_;
};

constexpr char kGood[] =
    R"({"metadata": {"total_size": 8}, "weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})";

float value_of(const WeightFiles& weights, const char* name) {
  float out = 0;
  std::memcpy(&out, weights.data(name), sizeof(out));
  return out;
}

TEST(WeightFiles, ReadShardsAsOne) {
  auto weights = Sharded().open(kGood);
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(weights->tensors().size(), 2u);
  EXPECT_EQ(value_of(*weights, "a"), 1);
  EXPECT_EQ(value_of(*weights, "b"), 2);
  EXPECT_EQ(weights->data("c"), nullptr);
}

TEST(WeightFiles, PreferTheSingleFile) {
  Sharded sharded;
  sharded.write("model.safetensors", "a", 3);
  auto weights = sharded.open("no JSON");
  ASSERT_TRUE(weights.ok()) << weights.status();
  EXPECT_EQ(value_of(*weights, "a"), 3);
  EXPECT_EQ(weights->title(), "model.safetensors");
}

TEST(WeightFiles, OfAnArtifactAreOneFileThatIsNamedWhereItIsMissing) {
  Sharded sharded;
  ASSERT_TRUE(sharded.open(kGood).ok());
  const absl::Status missing = WeightFiles::open_single(sharded.scratch().path()).status();
  EXPECT_TRUE(absl::IsNotFound(missing)) << missing;
  EXPECT_THAT(std::string(missing.message()), ::testing::HasSubstr("/model.safetensors"));
  EXPECT_THAT(std::string(missing.message()), ::testing::Not(::testing::HasSubstr("tokenizer")));
}

TEST(WeightFiles, RefuseAnIndexThatDoesNotSayWhatIsThere) {
  auto map = [](const std::string& entries) { return R"({"weight_map": {)" + entries + "}}"; };
  const std::string a = R"("a": "one.safetensors")", b = R"("b": "two.safetensors")";
  const struct {
    const char* what;
    std::string index, message;
  } kCases[] = {
      {"no JSON", "{", "is not JSON"},
      {"a list", "[]", "must be {\"weight_map\""},
      {"no map", "{}", "must be {\"weight_map\""},
      {"an empty map", map(""), "must be {\"weight_map\""},
      {"a number for a file", map(R"("a": 1)"), "puts the tensor a into 1"},
      {"a missing shard", map(a + "," + R"("b": "three.safetensors")"),
       "names three.safetensors, which is not in the folder"},
      {"a path upwards", map(R"("a": "../one.safetensors")"), "plain name in this folder"},
      {"an absolute path", map(R"("a": "/etc/one.safetensors")"), "plain name in this folder"},
      {"a folder", map(R"("a": "sub/one.safetensors")"), "plain name in this folder"},
      {"a hidden file", map(R"("a": ".one.safetensors")"), "plain name in this folder"},
      {"a pickle", map(R"("a": "pytorch_model.bin")"), "plain name in this folder"},
      {"an empty name", map(R"("a": "")"), "plain name in this folder"},
      {"a tensor that nobody holds", map(a + "," + b + R"(, "c": "one.safetensors")"),
       "puts the tensor c into one.safetensors, which does not hold it"},
      {"a tensor in another shard", map(a + R"(, "b": "one.safetensors", "c": "two.safetensors")"),
       "puts into one.safetensors the tensor b, which stands in two.safetensors"},
      {"a tensor that the index leaves out", map(a + R"(, "c": "two.safetensors")"),
       "does not name the tensor b"},
  };
  for (const auto& c : kCases) {
    Sharded sharded;
    EXPECT_THAT(sharded.open(c.index).status(), Refuses(c.message)) << c.what;
  }
}

TEST(WeightFiles, RefuseATensorThatStandsInTwoShards) {
  Sharded sharded;
  sharded.write("two.safetensors", "a", 2);
  EXPECT_THAT(
      sharded.open(R"({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})").status(),
      Refuses("puts into one.safetensors the tensor a, which stands in two.safetensors"));
}

TEST(WeightFiles, NameTheShardThatIsBroken) {
  Sharded sharded;
  sharded.scratch().write("two.safetensors", "PK\x03\x04 and more");
  EXPECT_THAT(sharded.open(kGood).status(), Refuses("two.safetensors"));
  EXPECT_THAT(sharded.open(kGood).status(), Refuses("pickle"));
}

}  // namespace
}  // namespace espalier
