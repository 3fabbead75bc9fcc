#include "server/worker/failure.h"

#include <gtest/gtest.h>

#include "server/common/status.h"

namespace espalier::server {
namespace {

TEST(Failure, TheJobsOwnFaultsAreNotRetried) {
  for (auto status : {absl::InvalidArgumentError("x"), absl::FailedPreconditionError("x"),
                      absl::DataLossError("x"), absl::OutOfRangeError("x"),
                      absl::CancelledError("x"), absl::UnimplementedError("x")}) {
    EXPECT_FALSE(is_retryable(status)) << status;
  }
}

TEST(Failure, EverythingElseIs) {
  for (auto status :
       {absl::InternalError("x"), absl::UnavailableError("x"), absl::UnknownError("x"),
        absl::ResourceExhaustedError("x"), absl::NotFoundError("x")}) {
    EXPECT_TRUE(is_retryable(status)) << status;
  }
}

TEST(Failure, AReasonThatTheStatusCarriesWins) {
  auto status = with_reason(absl::InternalError("loss is NaN"), "DIVERGED");
  auto failure = failure_of(status, {.phase = "prune", .step = 12});
  EXPECT_EQ(failure.reason(), "DIVERGED");
  EXPECT_EQ(failure.message(), "loss is NaN");
  EXPECT_EQ(failure.phase(), "prune");
  EXPECT_EQ(failure.step(), 12u);
  EXPECT_EQ(failure_of(absl::DataLossError("x"), {}).reason(), "BAD_DATA");
}

TEST(Failure, AMessageIsBoundedAndSaysWhatIsMissing) {
  const auto failure = failure_of(absl::DataLossError(std::string(1'000'000, 'x')), {});
  EXPECT_EQ(failure.message().size(),
            4096 - 41 + std::string("... (995945 bytes left out)").size());
  EXPECT_TRUE(failure.message().ends_with("x... (995945 bytes left out)"));
}

}  // namespace
}  // namespace espalier::server
