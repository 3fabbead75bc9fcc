// The formats behind decode_image(). Both libraries report errors by longjmp: every function that
// calls setjmp here holds nothing that has a destructor.
#pragma once

#include <cstdint>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/image/image.h"

namespace espalier {

absl::StatusOr<Image> decode_jpeg(std::string_view file);
absl::StatusOr<Image> decode_png(std::string_view file);

// Of the header alone, as pixels_of() has it.
absl::StatusOr<int64_t> jpeg_pixels(std::string_view file);
absl::StatusOr<int64_t> png_pixels(std::string_view file);

// Of a header that has been read: is there as much as kMaxPixels allows?
absl::Status check_pixels(int64_t height, int64_t width);

}  // namespace espalier
