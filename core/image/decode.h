// Image files to pixels: what Pillow's Image.open(file).convert("RGB") gives.
//
// Grey becomes three equal channels, alpha is dropped without blending, palettes are looked up, 16
// bits a channel lose the lower 8, CMYK is converted as Pillow does (the samples are taken as
// inverted, as Adobe stores them). An orientation in EXIF and colour profiles are not applied, as
// there.
//
// Where we differ: a 16-bit grey PNG is refused (Pillow clips it at 255), and so is a file in which
// the decoder had to make pixels up (a bad code, a scan that ends early; Pillow fills such with
// grey).
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/statusor.h"
#include "core/image/image.h"

namespace espalier {

// Height times width, checked before anything is allocated.
inline constexpr int64_t kMaxPixels = int64_t{64} << 20;

// `file` is a whole JPEG or PNG file; its first bytes tell which. INVALID_ARGUMENT for anything
// else and for files that are cut short, corrupt or larger than kMaxPixels.
absl::StatusOr<Image> decode_image(std::string_view file);

// Height times width as the file's header promises them: what decoding will cost, known before it.
// INVALID_ARGUMENT where decode_image() would not get past the header.
absl::StatusOr<int64_t> pixels_of(std::string_view file);

}  // namespace espalier
