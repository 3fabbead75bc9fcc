#include "core/image/decode.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/image/codecs.h"

namespace espalier {
namespace {

struct Signature {
  std::string_view bytes;
  const char* name;
  size_t at = 0;
};
constexpr Signature kJpeg = {"\xFF\xD8\xFF", "JPEG"};
constexpr Signature kPng = {"\x89PNG\r\n\x1A\n", "PNG"};
// Only to say what was found.
constexpr Signature kOthers[] = {
    {"GIF8", "GIF"},           {"BM", "BMP"},          {"WEBP", "WebP", 8},
    {"II*", "TIFF"},           {"ftypavi", "AVIF", 4}, {"ftyp", "HEIC or a video", 4},
    {"<", "HTML, XML or SVG"}, {"PK\x03\x04", "ZIP"},
};

bool matches(const Signature& signature, std::string_view file) {
  return file.size() >= signature.at &&
         file.substr(signature.at, signature.bytes.size()) == signature.bytes;
}

absl::Status unknown_format(std::string_view file) {
  if (file.empty()) return absl::InvalidArgumentError("the image file is empty");
  std::string found = "not a JPEG or PNG; begins with";
  for (const char c : file.substr(0, 4)) {
    absl::StrAppend(&found, " ", absl::Hex(static_cast<unsigned char>(c), absl::kZeroPad2));
  }
  const auto* known = std::find_if(std::begin(kOthers), std::end(kOthers),
                                   [&](const Signature& other) { return matches(other, file); });
  if (known != std::end(kOthers)) absl::StrAppend(&found, " (", known->name, ")");
  return absl::InvalidArgumentError(found);
}

}  // namespace

absl::Status check_pixels(int64_t height, int64_t width) {
  if (height > 0 && width > 0 && height <= kMaxPixels / width) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the image is ", width, " x ", height,
                                                 " pixels; at most ", kMaxPixels, " are taken"));
}

absl::StatusOr<Image> decode_image(std::string_view file) {
  return guard("decoding an image", [&]() -> absl::StatusOr<Image> {
    if (matches(kJpeg, file)) return decode_jpeg(file);
    if (matches(kPng, file)) return decode_png(file);
    return unknown_format(file);
  });
}

absl::StatusOr<int64_t> pixels_of(std::string_view file) {
  return guard("reading an image's header", [&]() -> absl::StatusOr<int64_t> {
    if (matches(kJpeg, file)) return jpeg_pixels(file);
    if (matches(kPng, file)) return png_pixels(file);
    return unknown_format(file);
  });
}

}  // namespace espalier
