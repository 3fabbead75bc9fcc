#include "core/spec/catalogue.h"

#include "tests/core/spec/catalogue_fixture.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::Refuses;
using testing::sample_catalogue;

TEST(Catalogue, FillsDefaultsInAndAddsTheDigest) {
  auto resolved =
      sample_catalogue().resolve("pruner", {{"name", "taylor"}, {"options", {{"share", 1}}}});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ((*resolved)["options"],
            Json({{"share", 1.0}, {"every", 10}, {"soft", true}, {"scope", "global"}}));
  EXPECT_EQ((*resolved)["digest"].get<std::string>().size(), 64u);
  EXPECT_EQ(*sample_catalogue().resolve("pruner", *resolved), *resolved);
}

TEST(Catalogue, RefusesInTheWordsOfTheRegistry) {
  const Catalogue catalogue = sample_catalogue();
  auto refuse = [&](Json choice) { return catalogue.resolve("pruner", choice).status(); };
  EXPECT_THAT(refuse({{"name", "cofl"}}),
              Refuses("unknown pruner \"cofl\"; known: magnitude, taylor; none leaves it out"));
  EXPECT_THAT(refuse({{"name", "soft_labels"}}), Refuses("unknown pruner"));
  EXPECT_THAT(refuse({{"name", "taylor"}, {"options", {{"share", 2}}}}),
              Refuses("taylor: option 'share' is 2; it must be between 0 and 1"));
  EXPECT_THAT(refuse({{"name", "taylor"}, {"options", {{"shear", 2}}}}),
              Refuses("'shear' is unknown; known: share"));
  EXPECT_THAT(refuse({{"name", "taylor"}, {"options", {{"scope", "x"}}}}),
              Refuses("known: global, layer"));
  EXPECT_THAT(refuse({{"name", "taylor"}, {"option", 1}}), Refuses("unknown field pruner.option"));
  EXPECT_THAT(refuse("taylor"), Refuses("object"));
}

TEST(Catalogue, TellsAChoiceMadeForOtherOptions) {
  auto status =
      sample_catalogue().resolve("pruner", {{"name", "taylor"}, {"digest", "00"}}).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
}

TEST(Catalogue, RefusesAFileThatDoesNotAgreeWithItself) {
  EXPECT_FALSE(Catalogue::read(Json::object()).ok());
  EXPECT_FALSE(Catalogue::read({{"methods", {{{"kind", "pruner"}}}}}).ok());
  Json method = {{"kind", "pruner"}, {"name", "x"}, {"digest", "00"}, {"options", Json::array()}};
  EXPECT_TRUE(absl::IsDataLoss(Catalogue::read({{"methods", {method}}}).status()));
}

}  // namespace
}  // namespace espalier
