#include "server/common/status.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "google/rpc/status.pb.h"

namespace espalier::server {
namespace {

TEST(Status, CodeMessageReasonAndFieldsSurviveTheWire) {
  auto status = with_reason(absl::InvalidArgumentError("sparsity is 1.5; at least 0, less than 1"),
                            "BAD_TARGET", "job.recipe.target.sparsity");
  status = with_field(status, "job.model", "is empty");
  auto back = from_grpc(to_grpc(status));
  EXPECT_EQ(back.code(), status.code());
  EXPECT_EQ(back.message(), status.message());
  EXPECT_EQ(reason_of(back), "BAD_TARGET");
  auto fields = fields_of(back);
  ASSERT_EQ(fields.size(), 2u);
  EXPECT_EQ(fields[0].field, "job.recipe.target.sparsity");
  EXPECT_EQ(fields[0].description, "sparsity is 1.5; at least 0, less than 1");
  EXPECT_EQ(fields[1].field, "job.model");
}

TEST(Status, StandardClientsDecodeTheDetails) {
  auto wire = to_grpc(with_reason(absl::NotFoundError("no model \"a\""), "NO_MODEL", "name"));
  google::rpc::Status details;
  ASSERT_TRUE(details.ParseFromString(wire.error_details()));
  EXPECT_EQ(details.code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(details.message(), wire.error_message());
  ASSERT_EQ(details.details_size(), 2);
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(details.details(0).UnpackTo(&info));
  EXPECT_EQ(info.domain(), "espalier");
  google::rpc::BadRequest request;
  EXPECT_TRUE(details.details(1).UnpackTo(&request));
}

TEST(Status, TheFirstReasonStays) {
  auto status = with_reason(with_reason(absl::AbortedError("x"), "STALE_FENCE"), "OTHER");
  EXPECT_EQ(reason_of(status), "STALE_FENCE");
}

TEST(Status, OkStaysOkAndPlainErrorsHaveNoDetails) {
  EXPECT_TRUE(with_reason(absl::OkStatus(), "X", "f").ok());
  EXPECT_TRUE(to_grpc(absl::OkStatus()).ok());
  EXPECT_EQ(to_grpc(absl::AbortedError("x")).error_details(), "");
}

TEST(Status, WhatIsTooLongIsCutAtACharacterAndTheReasonStillArrives) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "ä";
  auto status = with_reason(absl::InvalidArgumentError("." + text), "LONG");
  for (int i = 0; i < 100; ++i) status = with_field(status, text, text);
  auto wire = to_grpc(status);
  EXPECT_EQ(wire.error_message().size(), 1023u);  // a dot and 511 characters of two bytes
  EXPECT_LT(wire.error_details().size() * 4 / 3 + wire.error_message().size() * 3, 7u * 1024);
  EXPECT_EQ(reason_of(from_grpc(wire)), "LONG");
  EXPECT_GE(fields_of(from_grpc(wire)).size(), 1u);
}

}  // namespace
}  // namespace espalier::server
