#include "core/spec/image_settings.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"

namespace espalier {
namespace {

constexpr int64_t kMaxSide = 8192;

// One number for all channels, or one for each.
void read_channels(Fields& fields, const char* name, int channels, bool positive,
                   std::vector<double>& out) {
  const Json* value = fields.find(name);
  if (value == nullptr) return;
  std::vector<double> found;
  const Json list = value->is_array() ? *value : Json::array({*value});
  bool fits = list.size() == 1 || list.size() == static_cast<size_t>(channels);
  for (size_t i = 0; fits && i < list.size(); ++i) {
    fits = list[i].is_number() && std::isfinite(list[i].get<double>()) &&
           std::abs(list[i].get<double>()) <= 1e6 && (!positive || list[i].get<double>() > 0);
    if (fits) found.push_back(list[i].get<double>());
  }
  if (!fits) {
    return fields.fail(absl::StrCat(fields.path(name), " must be ", positive ? "positive " : "",
                                    "numbers, one or as many as channels (", channels, "), found ",
                                    shown(*value)));
  }
  found.resize(channels, found.front());
  out = std::move(found);
}

// {"height": 224, "width": 224}, or 224 as older files have it.
void read_side(Fields& fields, const char* name, int& out) {
  const Json* value = fields.find(name);
  if (value == nullptr) return;
  if (!value->is_object()) return fields.integer(name, out, 1, kMaxSide);
  Fields sides(*value, fields.path(name));
  int height = 0, width = 0;
  sides.require({"height", "width"});
  sides.integer("height", height, 1, kMaxSide);
  sides.integer("width", width, 1, kMaxSide);
  if (height != width) {
    sides.fail(absl::StrCat(fields.path(name), " is ", height, " x ", width,
                            "; this build knows square images"));
  }
  fields.check(sides.status());
  out = height;
}

void check_side(Fields& fields, const ModelConfig& config) {
  const ImageSettings& image = config.image;
  if (!image.do_resize && image.crop == 0) return;
  const int side = image.crop > 0 ? image.crop : image.size;
  if (side == config.image_size && (!image.do_resize || side <= image.size)) return;
  fields.fail(absl::StrCat("images are resized to ", image.size,
                           image.crop > 0 ? absl::StrCat(" and cropped to ", image.crop) : "",
                           ", but image_size in config.json is ", config.image_size));
}

void read_preprocessor_fields(Fields& fields, ModelConfig& config) {
  ImageSettings& image = config.image;
  bool crops = image.crop > 0, rescales = true, normalizes = true;
  fields.boolean("do_resize", image.do_resize);
  read_side(fields, "size", image.size);
  fields.integer("resample", image.resample, 0, 3);
  fields.boolean("do_center_crop", crops);
  // The key alone means nothing: some files have a crop_size and do not crop.
  int crop = config.image_size;
  read_side(fields, "crop_size", crop);
  image.crop = crops ? crop : 0;
  fields.boolean("do_rescale", rescales);
  fields.number("rescale_factor", image.rescale, {0, 1e6, true, false});
  if (!rescales) image.rescale = 1;
  read_channels(fields, "image_mean", config.channels, false, image.mean);
  read_channels(fields, "image_std", config.channels, true, image.std);
  fields.boolean("do_normalize", normalizes);
  if (!normalizes) {
    image.mean.assign(config.channels, 0.0);
    image.std.assign(config.channels, 1.0);
  }
  check_side(fields, config);
}

}  // namespace

void read_image_settings(Fields& fields, ModelConfig& config) {
  ImageSettings& image = config.image;
  fields.boolean("do_resize", image.do_resize);
  fields.integer("size", image.size, 1, kMaxSide);
  fields.integer("resample", image.resample, 0, 3);
  fields.integer("crop", image.crop, 0, kMaxSide);
  fields.number("rescale", image.rescale, {0, 1e6, true, false});
  read_channels(fields, "mean", config.channels, false, image.mean);
  read_channels(fields, "std", config.channels, true, image.std);
  check_side(fields, config);
}

Json write_image_settings(const ImageSettings& image) {
  return {{"do_resize", image.do_resize},
          {"size", image.size},
          {"resample", image.resample},
          {"crop", image.crop},
          {"rescale", image.rescale},
          {"mean", image.mean},
          {"std", image.std}};
}

absl::Status read_preprocessor(const Json& json, ModelConfig& config) {
  return guard("reading preprocessor_config.json", [&]() -> absl::Status {
    Fields fields(json, "preprocessor_config.json");
    read_preprocessor_fields(fields, config);
    return fields.status();
  });
}

}  // namespace espalier
