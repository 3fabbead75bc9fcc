#include "core/base/options.h"

#include <cmath>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

struct Sample {
  double share = 0.5;
  int64_t patience = 6;
  bool soft = true;
  std::string scope = "global";
  void read(OptionReader& r) {
    r.number("share", share, 0, 1, "Share of the units.");
    r.integer("patience", patience, 1, 24, "Layers that must agree.");
    r.boolean("soft", soft, "Soft gates.");
    r.string("scope", scope, {"global", "layer"}, "Who competes.");
  }
};

absl::Status read(Json values, Sample* out = nullptr) {
  Sample sample;
  OptionReader reader("magnitude", std::move(values));
  sample.read(reader);
  if (out) *out = sample;
  return reader.finish();
}

std::string message(Json values) { return std::string(read(std::move(values)).message()); }

TEST(Options, AbsentOnesKeepTheirDefaults) {
  Sample sample;
  ASSERT_TRUE(read(nullptr, &sample).ok());
  EXPECT_EQ(sample.share, 0.5);
  ASSERT_TRUE(read(Json::object(), &sample).ok());
  EXPECT_EQ(sample.scope, "global");
}

TEST(Options, AreFilledIn) {
  Sample sample;
  ASSERT_TRUE(
      read({{"share", 1}, {"patience", 3.0}, {"soft", false}, {"scope", "layer"}}, &sample).ok());
  EXPECT_EQ(sample.share, 1);
  EXPECT_EQ(sample.patience, 3);
  EXPECT_FALSE(sample.soft);
  EXPECT_EQ(sample.scope, "layer");
}

TEST(Options, ThatDoNotFitAreRefusedWithWhatWouldFit) {
  EXPECT_EQ(message({{"share", 1.5}}),
            "magnitude: option 'share' is 1.5; it must be between 0 and 1");
  EXPECT_THAT(message({{"patience", 3.5}}), HasSubstr("must be an integer, found 3.5"));
  EXPECT_THAT(message({{"patience", 25}}), HasSubstr("between 1 and 24"));
  EXPECT_THAT(message({{"patience", 1e30}}), HasSubstr("must be an integer"));
  EXPECT_THAT(message({{"soft", "yes"}}), HasSubstr("true or false"));
  EXPECT_THAT(message({{"scope", "world"}}), HasSubstr("known: global, layer"));
  EXPECT_THAT(message({{"scpoe", "layer"}}),
              HasSubstr("'scpoe' is unknown; known: share, patience, soft, scope"));
  EXPECT_THAT(message(Json::array()), HasSubstr("object"));
}

TEST(Options, OfANanAreRefused) { EXPECT_FALSE(read({{"share", std::nan("")}}).ok()); }

TEST(Options, DescribeThemselves) {
  OptionReader reader;
  Sample().read(reader);
  ASSERT_EQ(reader.schema().size(), 4u);
  EXPECT_EQ(reader.schema()[0],
            Json::parse(R"({"name": "share", "type": "number", "default": 0.5, "minimum": 0.0,
    "maximum": 1.0, "description": "Share of the units."})"));
  EXPECT_EQ(reader.schema()[3]["choices"], Json({"global", "layer"}));
}

TEST(Options, ResolveToEveryValue) {
  Sample sample;
  OptionReader reader("m", {{"patience", 2}});
  sample.read(reader);
  EXPECT_EQ(reader.resolved(),
            Json({{"share", 0.5}, {"patience", 2}, {"soft", true}, {"scope", "global"}}));
}

}  // namespace
}  // namespace espalier
