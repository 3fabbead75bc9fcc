// The one wall between code that throws (LibTorch, nlohmann-json, Arrow's few) and code that
// returns absl::Status.
#pragma once

#include <exception>
#include <new>
#include <string>
#include <type_traits>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace espalier {

// An exception that carries a Status through numeric code up to the next guard().
class StatusError : public std::exception {
 public:
  explicit StatusError(absl::Status status)
      : status_(std::move(status)), what_(status_.ToString()) {}
  const absl::Status& status() const { return status_; }
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  absl::Status status_;
  std::string what_;
};

// Value of a StatusOr inside numeric code; throws StatusError otherwise.
template <class T>
T value_or_throw(absl::StatusOr<T> value) {
  if (!value.ok()) throw StatusError(value.status());
  return *std::move(value);
}
inline void throw_if_error(const absl::Status& status) {
  if (!status.ok()) throw StatusError(status);
}

// Status of an exception that is being handled; `what` says what was being done. Memory that ran
// out, of the host or (LibTorch's message) of a device, is RESOURCE_EXHAUSTED.
absl::Status status_of_current_exception(const char* what);

// Runs `function`, which returns a Status, a StatusOr or nothing, and turns what it throws into a
// Status.
template <class F>
auto guard(const char* what, F&& function)
    -> std::conditional_t<std::is_void_v<decltype(function())>, absl::Status,
                          decltype(function())> {
  try {
    if constexpr (std::is_void_v<decltype(function())>) {
      function();
      return absl::OkStatus();
    } else {
      return function();
    }
  } catch (...) {
    return status_of_current_exception(what);
  }
}

}  // namespace espalier
