#include "core/picture/shape.h"

#include "gmock/gmock.h"

namespace espalier {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

Json drawn_report() {
  return Json::parse(R"({
    "dense": {"hidden": 8, "layers": [{"heads": [0, 1, 2, 3], "neurons": 100},
                                      {"heads": [0, 1, 2, 3], "neurons": 100},
                                      {"heads": [0, 1], "neurons": 0}]},
    "compressed": {"hidden": 6, "sparsity": 0.25,
                   "layers": [{"heads": [1, 3], "neurons": 99}, {"heads": [], "neurons": 1},
                              {"heads": [0, 1], "neurons": 0}]}})");
}

TEST(ShapeText, HasEachHeadInItsPlaceAndNoShareThatLooksLikeAllOrNothing) {
  EXPECT_EQ(shape_text(drawn_report()),
            " 1  heads .#.# 2/4  neurons ###################. 99/100\n"
            " 2  heads .... 0/4  neurons #................... 1/100\n"
            " 3  heads ##   2/2  neurons .................... 0/0\n"
            " hidden dimensions of all layers 6/8\n");
}

TEST(ShapeText, DrawsManyHeadsAsAShare) {
  Json report = drawn_report();
  Json& dense = report["dense"]["layers"][0]["heads"] = Json::array();
  for (int head = 0; head < 64; ++head) dense.push_back(head);
  report["compressed"]["layers"][0]["heads"] =
      Json(std::vector<int>(dense.begin(), dense.begin() + 16));
  EXPECT_THAT(shape_text(report),
              HasSubstr(" 1  heads ########........................ 16/64  neurons"));
}

TEST(ShapeSvg, ShowsWhatIsGoneAndHowMuchIsLeft) {
  const std::string svg = shape_svg(drawn_report());
  EXPECT_THAT(svg, AllOf(HasSubstr(">attention heads: 4 of 10<"), HasSubstr(">gone<"),
                         HasSubstr("stroke-dasharray"), HasSubstr(">99/100<"),
                         HasSubstr(">encoder sparsity 25.0 %, hidden size 6/8<")));
  EXPECT_THAT(svg, AllOf(HasSubstr("viewBox=\"0 0 720 144\""), Not(HasSubstr("<script")),
                         Not(HasSubstr("href"))));
}

TEST(ShapeSvg, OfATallModelIsSmall) {
  Json report = drawn_report();
  for (const char* side : {"dense", "compressed"}) {
    for (int i = 0; i < 5; ++i)
      for (const Json& layer : Json(report[side]["layers"]))
        report[side]["layers"].push_back(layer);
  }
  EXPECT_LT(shape_svg(report).size(), 100'000u);
}

TEST(Shape, IsNotDrawnWithoutTwoModelsOfTheSameLayers) {
  for (const char* text :
       {"{}", "[]", "3", R"({"dense": {"layers": [{"heads": [0], "neurons": 3}]}})",
        R"({"dense": 3, "compressed": [1]})",
        R"({"dense": {"layers": []}, "compressed": {"layers": []}})",
        R"({"dense": {"layers": [1, 2]}, "compressed": {"layers": [1]}})"}) {
    EXPECT_EQ(shape_svg(Json::parse(text)), "") << text;
    EXPECT_EQ(shape_text(Json::parse(text)), "") << text;
  }
}

TEST(Shape, SurvivesLayersThatAreNone) {
  const Json report = Json::parse(R"({
    "dense": {"layers": [1, {"heads": [0, "a", null], "neurons": 1e300}, {"neurons": -4}]},
    "compressed": {"hidden": "x", "sparsity": {}, "layers": [{"heads": 7}, [], {"neurons": 9}]}})");
  EXPECT_THAT(shape_text(report), HasSubstr(" 2  heads . 0/1  neurons"));
  EXPECT_THAT(shape_svg(report), HasSubstr("</svg>"));
}

}  // namespace
}  // namespace espalier
