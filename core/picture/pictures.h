// The pictures of a report that an artifact holds beside it.
#pragma once

#include <string>
#include <vector>

#include "core/base/options.h"

namespace espalier {

struct Picture {
  std::string file;     // in the artifact's folder
  std::string caption;  // for those who cannot see it
  std::string svg;
};

// Those that the report has something to show in.
std::vector<Picture> pictures_of(const Json& report);

}  // namespace espalier
