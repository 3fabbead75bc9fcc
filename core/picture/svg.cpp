#include "core/picture/svg.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace espalier {
namespace {

std::string escaped(const std::string& words) {
  std::string out;
  for (const char c : words) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else {
      out += static_cast<unsigned char>(c) < ' ' ? ' ' : c;  // XML has no control characters
    }
  }
  return out;
}

// A tenth of a pixel is all that can be seen.
std::string pixels(double value) {
  std::string out = absl::StrFormat("%.1f", value);
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out == "-0" ? "0" : out;
}

}  // namespace

Svg::Svg(double width, double height, const std::string& title)
    : text_(absl::StrCat(R"(<svg xmlns="http://www.w3.org/2000/svg" role="img" width=")",
                         pixels(width), R"(" height=")", pixels(height), R"(" viewBox="0 0 )",
                         pixels(width), " ", pixels(height),
                         R"(" font-family="sans-serif" font-size="12" fill="#24292f">)",
                         "\n<title>", escaped(title), "</title>\n")) {
  box(0.5, 0.5, width - 1, height - 1, R"(rx="6" fill="#ffffff" stroke="#d0d7de")");
}

void Svg::box(double x, double y, double width, double height, const std::string& style) {
  absl::StrAppend(&text_, R"(<rect x=")", pixels(x), R"(" y=")", pixels(y), R"(" width=")",
                  pixels(width), R"(" height=")", pixels(height), R"(" )", style, "/>\n");
}

void Svg::dot(PicturePoint at, const std::string& style) {
  absl::StrAppend(&text_, R"(<circle cx=")", pixels(at.x), R"(" cy=")", pixels(at.y),
                  R"(" r="2.5" )", style, "/>\n");
}

void Svg::line(const std::vector<PicturePoint>& points, const std::string& style) {
  absl::StrAppend(&text_, R"(<polyline fill="none" )", style, R"( points=")");
  const char* between = "";
  for (const PicturePoint& at : points) {
    absl::StrAppend(&text_, between, pixels(at.x), ",", pixels(at.y));
    between = " ";
  }
  text_ += "\"/>\n";
}

void Svg::words(double x, double y, const std::string& words, const std::string& style) {
  absl::StrAppend(&text_, R"(<text x=")", pixels(x), R"(" y=")", pixels(y), R"(")",
                  style.empty() ? "" : " ", style, ">", escaped(words), "</text>\n");
}

std::string Svg::written() const { return text_ + "</svg>\n"; }

}  // namespace espalier
