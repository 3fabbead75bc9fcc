#include <csetjmp>
#include <cstddef>
#include <cstdio>
// libjpeg's headers need the two above.
#include <jerror.h>
#include <jpeglib.h>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/image/codecs.h"

namespace espalier {
namespace {

// A progressive file may hold any number of scans, each of a few bytes and as much work as the
// whole image; encoders write about ten.
constexpr int kMaxScans = 200;

// The manager stands first, so that libjpeg's pointer to it points to all of this.
struct JpegFailure {
  jpeg_error_mgr manager;
  std::jmp_buf jump;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void jpeg_fail(j_common_ptr codec) {
  auto* failure = reinterpret_cast<JpegFailure*>(codec->err);
  codec->err->format_message(codec, failure->message);
  std::longjmp(failure->jump, 1);
}

// Warnings are survived by making pixels up, all but these.
void jpeg_warn(j_common_ptr codec, int level) {
  if (level >= 0) return;  // not a warning
  switch (codec->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_JFIF_MAJOR:
    case JWRN_TOO_MUCH_DATA:
      return;
    default:
      jpeg_fail(codec);
  }
}

void jpeg_quiet(j_common_ptr) {}

void jpeg_watch(j_common_ptr codec) {
  auto* failure = reinterpret_cast<JpegFailure*>(codec->err);
  if (reinterpret_cast<j_decompress_ptr>(codec)->input_scan_number <= kMaxScans) return;
  std::snprintf(failure->message, sizeof failure->message, "more than %d scans", kMaxScans);
  std::longjmp(failure->jump, 1);
}

// a * b / 255, rounded.
int times(int a, int b) {
  const int product = a * b + 128;
  return (product + (product >> 8)) >> 8;
}

void rgb_of_inverted_cmyk(const uint8_t* cmyk, int width, uint8_t* rgb) {
  for (int x = 0; x < width; ++x, cmyk += 4, rgb += 3) {
    const int light = cmyk[3];
    for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(light - times(255 - cmyk[c], light));
  }
}

class JpegDecoder {
 public:
  explicit JpegDecoder(std::string_view file) : file_(file) {
    codec_.err = jpeg_std_error(&failure_.manager);
    failure_.manager.error_exit = jpeg_fail;
    failure_.manager.emit_message = jpeg_warn;
    failure_.manager.output_message = jpeg_quiet;
    progress_.progress_monitor = jpeg_watch;
  }
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;
  ~JpegDecoder() { jpeg_destroy_decompress(&codec_); }

  bool read_header() {
    if (setjmp(failure_.jump) != 0) return false;
    jpeg_create_decompress(&codec_);
    codec_.progress = &progress_;
    jpeg_mem_src(&codec_, reinterpret_cast<const unsigned char*>(file_.data()), file_.size());
    jpeg_read_header(&codec_, TRUE);
    codec_.out_color_space = is_cmyk() ? JCS_CMYK : JCS_RGB;
    return true;
  }

  // `rgb`: [height, width, 3]; `row`: room for 4 * width.
  bool read_rows(uint8_t* rgb, uint8_t* row) {
    if (setjmp(failure_.jump) != 0) return false;
    jpeg_start_decompress(&codec_);
    while (codec_.output_scanline < codec_.output_height) {
      uint8_t* line = rgb + size_t{3} * codec_.output_width * codec_.output_scanline;
      JSAMPROW into = is_cmyk() ? row : line;
      jpeg_read_scanlines(&codec_, &into, 1);
      if (is_cmyk()) rgb_of_inverted_cmyk(row, width(), line);
    }
    jpeg_finish_decompress(&codec_);
    return true;
  }

  int height() const { return static_cast<int>(codec_.image_height); }
  int width() const { return static_cast<int>(codec_.image_width); }
  absl::Status failure() const {
    return absl::InvalidArgumentError(absl::StrCat("the JPEG is damaged: ", failure_.message));
  }

 private:
  bool is_cmyk() const {
    return codec_.jpeg_color_space == JCS_CMYK || codec_.jpeg_color_space == JCS_YCCK;
  }

  std::string_view file_;
  jpeg_decompress_struct codec_{};
  jpeg_progress_mgr progress_{};
  JpegFailure failure_{};
};

}  // namespace

absl::StatusOr<int64_t> jpeg_pixels(std::string_view file) {
  JpegDecoder decoder(file);
  if (!decoder.read_header()) return decoder.failure();
  ESPALIER_RETURN_IF_ERROR(check_pixels(decoder.height(), decoder.width()));
  return int64_t{1} * decoder.height() * decoder.width();
}

absl::StatusOr<Image> decode_jpeg(std::string_view file) {
  JpegDecoder decoder(file);
  if (!decoder.read_header()) return decoder.failure();
  ESPALIER_RETURN_IF_ERROR(check_pixels(decoder.height(), decoder.width()));
  Image out{decoder.height(), decoder.width(), 3, {}};
  out.pixels.resize(size_t{3} * out.height * out.width);
  std::vector<uint8_t> row(size_t{4} * out.width);
  if (!decoder.read_rows(out.pixels.data(), row.data())) return decoder.failure();
  return out;
}

}  // namespace espalier
