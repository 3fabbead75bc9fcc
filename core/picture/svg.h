// Writes SVG: no scripts, no fonts or files from elsewhere, words escaped. Pictures stand on a
// panel of their own, so that they can be read on pages of any colour.
#pragma once

#include <string>
#include <vector>

namespace espalier {

struct PicturePoint {
  double x = 0, y = 0;
};

class Svg {
 public:
  // Sizes in pixels, at which words are 12 high; readers scale it. `title` is for those who cannot
  // see it.
  Svg(double width, double height, const std::string& title);
  // `style`: attributes such as fill="#fff", as they stand.
  void box(double x, double y, double width, double height, const std::string& style);
  void dot(PicturePoint at, const std::string& style);
  void line(const std::vector<PicturePoint>& points, const std::string& style);
  void words(double x, double y, const std::string& words, const std::string& style = "");
  std::string written() const;

 private:
  std::string text_;
};

}  // namespace espalier
