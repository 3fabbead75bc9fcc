#include "core/base/guard.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier {
namespace {

using ::testing::HasSubstr;

TEST(Guard, LetsValuesAndStatusesThrough) {
  EXPECT_EQ(*guard("x", [] { return absl::StatusOr<int>(3); }), 3);
  EXPECT_TRUE(guard("x", [] {}).ok());
  EXPECT_TRUE(absl::IsNotFound(guard("x", [] { return absl::NotFoundError("n"); })));
}

TEST(Guard, TurnsExceptionsIntoStatus) {
  auto status = guard("reading", [] { throw std::runtime_error("first line\nbacktrace"); });
  EXPECT_TRUE(absl::IsInternal(status));
  EXPECT_EQ(status.message(), "reading: first line");
  EXPECT_TRUE(absl::IsInternal(guard("x", [] { throw 1; })));
}

TEST(Guard, TellsMemoryThatRanOut) {
  EXPECT_TRUE(absl::IsResourceExhausted(guard("x", [] { throw std::bad_alloc(); })));
  EXPECT_TRUE(absl::IsResourceExhausted(
      guard("x", [] { throw std::runtime_error("CUDA out of memory. Tried"); })));
  EXPECT_TRUE(absl::IsResourceExhausted(guard("x", [] {
    throw std::runtime_error("DefaultCPUAllocator: can't allocate memory: you tried");
  })));
}

TEST(Guard, CarriesAStatusThroughNumericCode) {
  auto status =
      guard("x", [] { value_or_throw(absl::StatusOr<int>(absl::DataLossError("gone"))); });
  EXPECT_TRUE(absl::IsDataLoss(status));
  EXPECT_TRUE(absl::IsAborted(guard("x", [] { throw_if_error(absl::AbortedError("a")); })));
  EXPECT_TRUE(guard("x", [] { throw_if_error(absl::OkStatus()); }).ok());
}

}  // namespace
}  // namespace espalier
