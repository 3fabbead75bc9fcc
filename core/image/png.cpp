#include <png.h>

#include <cstdio>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/image/codecs.h"

namespace espalier {
namespace {

struct PngSource {
  const char* next = nullptr;
  size_t left = 0;
  char message[160] = "out of memory";
};

[[noreturn]] void png_fail(png_structp png, png_const_charp why) {
  auto* source = static_cast<PngSource*>(png_get_error_ptr(png));
  std::snprintf(source->message, sizeof source->message, "%s", why);
  png_longjmp(png, 1);
}

void png_quiet(png_structp, png_const_charp) {}

void png_take(png_structp png, png_bytep out, size_t bytes) {
  auto* source = static_cast<PngSource*>(png_get_io_ptr(png));
  if (bytes > source->left) png_error(png, "the file ends early");
  std::memcpy(out, source->next, bytes);
  source->next += bytes;
  source->left -= bytes;
}

class PngDecoder {
 public:
  explicit PngDecoder(std::string_view file) {
    source_.next = file.data();
    source_.left = file.size();
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, &source_, png_fail, png_quiet);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
  }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;
  ~PngDecoder() { png_destroy_read_struct(&png_, &info_, nullptr); }

  bool read_header() {
    if (info_ == nullptr || setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_read_fn(png_, &source_, png_take);
    // Nothing beside the pixels is of use (texts, profiles), and some of it unpacks to much.
    png_set_keep_unknown_chunks(png_, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
    png_read_info(png_, info_);
    return true;
  }

  // `rows`: one of 3 * width bytes for each of the height.
  bool read_rows(png_bytepp rows) {
    if (setjmp(png_jmpbuf(png_)) != 0) return false;
    png_set_strip_16(png_);
    png_set_packing(png_);
    png_set_expand_gray_1_2_4_to_8(png_);
    if (colour() == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
    png_set_gray_to_rgb(png_);
    png_set_strip_alpha(png_);
    png_set_interlace_handling(png_);
    png_read_update_info(png_, info_);
    if (png_get_rowbytes(png_, info_) != size_t{3} * width()) png_error(png_, "unknown pixels");
    png_read_image(png_, rows);
    png_read_end(png_, nullptr);
    return true;
  }

  png_uint_32 height() const { return png_get_image_height(png_, info_); }
  png_uint_32 width() const { return png_get_image_width(png_, info_); }
  bool is_deep_grey() const {
    return colour() == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png_, info_) == 16;
  }
  absl::Status failure() const {
    return absl::InvalidArgumentError(absl::StrCat("the PNG is damaged: ", source_.message));
  }

 private:
  int colour() const { return png_get_color_type(png_, info_); }

  PngSource source_;
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
};

}  // namespace

absl::StatusOr<int64_t> png_pixels(std::string_view file) {
  PngDecoder decoder(file);
  if (!decoder.read_header()) return decoder.failure();
  ESPALIER_RETURN_IF_ERROR(check_pixels(decoder.height(), decoder.width()));
  return int64_t{1} * decoder.height() * decoder.width();
}

absl::StatusOr<Image> decode_png(std::string_view file) {
  PngDecoder decoder(file);
  if (!decoder.read_header()) return decoder.failure();
  ESPALIER_RETURN_IF_ERROR(check_pixels(decoder.height(), decoder.width()));
  if (decoder.is_deep_grey()) {
    return absl::InvalidArgumentError(
        "the PNG is grey with 16 bits a pixel; 8 bits, or colours of 8 or 16, are taken");
  }
  Image out{static_cast<int>(decoder.height()), static_cast<int>(decoder.width()), 3, {}};
  out.pixels.resize(size_t{3} * out.height * out.width);
  std::vector<png_bytep> rows(out.height);
  for (int y = 0; y < out.height; ++y) rows[y] = out.pixels.data() + size_t{3} * out.width * y;
  if (!decoder.read_rows(rows.data())) return decoder.failure();
  return out;
}

}  // namespace espalier
