#include "core/picture/curves.h"

#include "core/picture/pictures.h"
#include "gmock/gmock.h"

namespace espalier {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Json trained_report(const char* curve) {
  return {{"dense", {{"metric", {{"name", "accuracy"}}}}},
          {"phases", {{{"name", "prune"}, {"curve", Json::parse(curve)}}}}};
}

TEST(Curves, PutTheirPointsWhereTheAxesSay) {
  const std::string svg = curves_svg(trained_report(
      R"([{"step": 1, "loss": 3}, {"step": 2, "loss": 2, "select_metric": 80},
          {"step": 4, "loss": 1, "select_metric": 90}])"));
  // 190 wide from 76, 120 high from 72; a scale reaches a little further than its points.
  EXPECT_THAT(svg, HasSubstr(R"(points="123.5,75.4 171,132 266,188.6")"));
  EXPECT_THAT(svg, AllOf(HasSubstr(">prune<"), HasSubstr(">loss<"), HasSubstr(">accuracy, select<"),
                         HasSubstr(">step<"), HasSubstr(">2.0<"), HasSubstr(">86<")));
}

TEST(Curves, SayWhereNoMetricWasMeasured) {
  Json report = trained_report(R"([{"step": 1, "loss": 3, "select_metric": 80}])");
  report["phases"].push_back({{"name", "exits"}, {"curve", {{{"step", 1}, {"loss", 2}}}}});
  EXPECT_THAT(curves_svg(report), AllOf(HasSubstr("<circle"), HasSubstr(">not measured<")));
  report["phases"].erase(0);
  EXPECT_THAT(curves_svg(report), Not(HasSubstr("accuracy")));
}

TEST(Curves, OfManyPointsAreSmall) {
  Json report = {{"phases", Json::array()}};
  for (const char* phase : {"finetune", "prune", "recover", "exits"}) {
    Json curve = Json::array();
    for (int step = 1; step <= 1200; ++step)
      curve.push_back({{"step", step}, {"loss", step % 7}, {"select_metric", step % 11}});
    report["phases"].push_back({{"name", phase}, {"curve", curve}});
  }
  EXPECT_LT(curves_svg(report).size(), 60'000u);
}

TEST(Curves, AreNotDrawnOfWhatIsNoTraining) {
  EXPECT_EQ(curves_svg(trained_report(R"([{"threshold": 1, "metric": 2}])")), "");
  for (const char* text : {"{}", "[]", R"({"phases": 3})", R"({"phases": [1, {"name": "prune"}]})",
                           R"({"phases": [{"name": "prune", "curve": [1, {"step": 1e300}]}]})"})
    EXPECT_EQ(curves_svg(Json::parse(text)), "") << text;
}

TEST(Curves, OfOneValueHaveAScaleAllTheSame) {
  for (const char* curve : {R"([{"step": 0, "loss": 0}])", R"([{"step": 1, "loss": 1e29}])",
                            R"([{"step": 1, "loss": 5}, {"step": 2, "loss": 5}])"}) {
    const std::string svg = curves_svg(trained_report(curve));
    EXPECT_THAT(svg, AllOf(Not(HasSubstr("nan")), Not(HasSubstr("inf")))) << curve;
  }
}

TEST(Pictures, AreThoseThatAReportHasSomethingFor) {
  EXPECT_TRUE(pictures_of(Json::object()).empty());
  const auto pictures = pictures_of(trained_report(R"([{"step": 1, "loss": 3}])"));
  ASSERT_EQ(pictures.size(), 1u);
  EXPECT_EQ(pictures.front().file, "curves.svg");
}

}  // namespace
}  // namespace espalier
