#include "core/base/guard.h"

namespace espalier {

absl::Status status_of_current_exception(const char* what) {
  try {
    throw;
  } catch (const StatusError& e) {
    return e.status();
  } catch (const std::bad_alloc&) {
    return absl::ResourceExhaustedError(absl::StrCat(what, ": out of memory"));
  } catch (const std::exception& e) {
    std::string message = e.what();
    // c10::OutOfMemoryError and the CPU allocator's plain c10::Error differ only in their text
    // here.
    if (message.find("out of memory") != std::string::npos ||
        message.find("can't allocate memory") != std::string::npos) {
      return absl::ResourceExhaustedError(
          absl::StrCat(what, ": ", message.substr(0, message.find('\n'))));
    }
    return absl::InternalError(absl::StrCat(what, ": ", message.substr(0, message.find('\n'))));
  } catch (...) {
    return absl::InternalError(absl::StrCat(what, ": unknown exception"));
  }
}

}  // namespace espalier
