#include "server/common/bounded_text.h"

#include "absl/strings/str_cat.h"

namespace espalier::server {
namespace {

constexpr size_t kRoomForNote = 41;  // "... (18446744073709551615 bytes left out)"

}  // namespace

std::string utf8_prefix(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  size_t end = most;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return std::string(text.substr(0, end));
}

std::string bounded(std::string_view text, size_t most) {
  if (text.size() <= most) return std::string(text);
  std::string out = utf8_prefix(text, most - kRoomForNote);
  const size_t missing = text.size() - out.size();
  absl::StrAppend(&out, "... (", missing, " bytes left out)");
  return out;
}

void bound_texts(espalier::v1::Failure& failure) {
  failure.set_reason(utf8_prefix(failure.reason(), kLongestWord));
  failure.set_message(bounded(failure.message(), kLongestMessage));
  failure.set_phase(utf8_prefix(failure.phase(), kLongestWord));
}

void bound_texts(espalier::v1::Progress& progress) {
  progress.set_phase(utf8_prefix(progress.phase(), kLongestWord));
  progress.set_message(bounded(progress.message(), kLongestMessage));
}

}  // namespace espalier::server
