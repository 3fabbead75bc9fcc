#include "server/worker/failure.h"

#include "server/common/bounded_text.h"
#include "server/common/status.h"

namespace espalier::server {
namespace {

struct Meaning {
  const char* reason;
  bool retryable;
};

Meaning meaning_of(absl::StatusCode code) {
  using Code = absl::StatusCode;
  switch (code) {
    case Code::kCancelled:
      return {"CANCELLED", false};
    case Code::kInvalidArgument:
      return {"BAD_INPUT", false};
    case Code::kFailedPrecondition:
      return {"UNMET_PRECONDITION", false};
    case Code::kDataLoss:
      return {"BAD_DATA", false};
    case Code::kOutOfRange:
      return {"DIVERGED", false};
    case Code::kUnimplemented:
      return {"NOT_SUPPORTED", false};
    case Code::kResourceExhausted:
      return {"OUT_OF_RESOURCES", true};
    case Code::kUnavailable:
      return {"UNAVAILABLE", true};
    default:
      return {"INTERNAL", true};
  }
}

}  // namespace

espalier::v1::Failure failure_of(const absl::Status& status, const JobProgress& last) {
  espalier::v1::Failure failure;
  std::string reason = reason_of(status);
  failure.set_reason(reason.empty() ? meaning_of(status.code()).reason : reason);
  failure.set_message(std::string(status.message()));
  failure.set_phase(last.phase);
  failure.set_step(static_cast<uint32_t>(last.step));
  bound_texts(failure);
  return failure;
}

bool is_retryable(const absl::Status& status) { return meaning_of(status.code()).retryable; }

}  // namespace espalier::server
