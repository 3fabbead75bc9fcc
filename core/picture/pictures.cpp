#include "core/picture/pictures.h"

#include "core/picture/curves.h"
#include "core/picture/shape.h"

namespace espalier {

std::vector<Picture> pictures_of(const Json& report) {
  std::vector<Picture> out = {
      {"shape.svg", "Heads and neurons that are left of each layer", shape_svg(report)},
      {"curves.svg", "Loss and metric of each training", curves_svg(report)}};
  std::erase_if(out, [](const Picture& one) { return one.svg.empty(); });
  return out;
}

}  // namespace espalier
