#include "core/picture/svg.h"

#include "gmock/gmock.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

TEST(Svg, EscapesWords) {
  Svg svg(10, 20, "a < b");
  svg.words(1.04, 2.5, "x & <script>\n", R"(fill="#000")");
  EXPECT_THAT(svg.written(), HasSubstr("<title>a &lt; b</title>"));
  EXPECT_THAT(svg.written(),
              HasSubstr(R"(<text x="1" y="2.5" fill="#000">x &amp; &lt;script&gt; </text>)"));
}

TEST(Svg, WritesTenthsOfPixels) {
  Svg svg(10, 20, "");
  svg.line({{1.26, -0.01}, {3, 4}}, "");
  EXPECT_THAT(svg.written(), HasSubstr(R"(points="1.3,0 3,4")"));
}

}  // namespace
}  // namespace espalier
