#include "server/common/address.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace espalier::server {
namespace {

TEST(Address, HostAndPortComeApartAndGoTogether) {
  for (const char* text : {"127.0.0.1:7400", "[::1]:7400", "localhost:0", "0.0.0.0:65535"}) {
    auto parsed = parse_address(text);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->text(), text);
  }
  EXPECT_EQ(parse_address("[::1]:7400")->host, "::1");
}

TEST(Address, BadOnesAreRefusedWithAnExample) {
  for (const char* text :
       {"", "7400", "localhost", ":7400", "a:", "a:x", "a:65536", "a:-1", "::1:7400", "a:7400 "}) {
    auto parsed = parse_address(text);
    EXPECT_TRUE(absl::IsInvalidArgument(parsed.status())) << text;
    EXPECT_THAT(std::string(parsed.status().message()), testing::HasSubstr("for example")) << text;
  }
}

TEST(Address, LocalhostIsBoundAsOneSocket) {
  EXPECT_EQ(bind_address({"localhost", 7400}).text(), "127.0.0.1:7400");
  EXPECT_EQ(bind_address({"::1", 7400}).text(), "[::1]:7400");
}

}  // namespace
}  // namespace espalier::server
