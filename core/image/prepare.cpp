#include "core/image/prepare.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/image/decode.h"
#include "core/image/resize.h"

namespace espalier {
namespace {

// ITU-R 601 luma in 16-bit fixed point.
Image grey_of(const Image& image) {
  Image out{image.height, image.width, 1, {}};
  out.pixels.resize(image.pixels.size() / 3);
  const uint8_t* rgb = image.pixels.data();
  for (uint8_t& grey : out.pixels) {
    grey = static_cast<uint8_t>((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
    rgb += 3;
  }
  return out;
}

// Where the crop begins in `in`, rounded down; below 0 where the crop is the larger.
int crop_begin(int in, int crop) { return (in - crop) >> 1; }

Image centre_crop(const Image& image, int crop) {
  const int top = crop_begin(image.height, crop), left = crop_begin(image.width, crop);
  Image out{crop, crop, image.channels, {}};
  out.pixels.resize(size_t{1} * crop * crop * image.channels);
  const int begin = std::max(0, -left), end = std::min(crop, image.width - left);
  for (int y = std::max(0, -top); y < std::min(crop, image.height - top); ++y) {
    const uint8_t* from =
        image.pixels.data() + (size_t{1} * (y + top) * image.width + begin + left) * image.channels;
    std::copy_n(from, size_t{1} * (end - begin) * image.channels,
                out.pixels.data() + (size_t{1} * y * crop + begin) * image.channels);
  }
  return out;
}

std::vector<uint8_t> planes_of(const Image& image) {
  const size_t pixels = size_t{1} * image.height * image.width;
  std::vector<uint8_t> out(image.pixels.size());
  for (size_t i = 0; i < pixels; ++i) {
    for (int c = 0; c < image.channels; ++c) {
      out[c * pixels + i] = image.pixels[i * image.channels + c];
    }
  }
  return out;
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> prepare_image(Image image, const ImageSettings& settings,
                                                   int channels, int side) {
  if (channels != 1 && channels != 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "the model reads ", channels, " channels; images have 3 (colours) or 1 (grey)"));
  }
  return guard("preparing an image", [&]() -> absl::StatusOr<std::vector<uint8_t>> {
    if (channels == 1) image = grey_of(image);
    if (settings.do_resize) {
      image = resize(image, settings.size, settings.size, static_cast<Filter>(settings.resample));
    }
    if (settings.crop > 0) image = centre_crop(image, settings.crop);
    if (image.height == side && image.width == side) return planes_of(image);
    return absl::InvalidArgumentError(absl::StrCat(
        "the image is ", image.width, " x ", image.height, " pixels, the model reads ", side, " x ",
        side, settings.do_resize ? "" : ", and its preprocessor_config.json has no do_resize"));
  });
}

absl::StatusOr<Input> read_image(std::string_view file, const ModelConfig& config) {
  ESPALIER_ASSIGN_OR_RETURN(Image image, decode_image(file));
  Input out;
  ESPALIER_ASSIGN_OR_RETURN(out.pixels, prepare_image(std::move(image), config.image,
                                                      config.channels, config.image_size));
  out.image_tokens = config.positions;
  return out;
}

}  // namespace espalier
