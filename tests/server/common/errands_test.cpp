#include "server/common/errands.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace espalier::server {
namespace {

using ::testing::ElementsAre;

TEST(Errands, AreRunInTheirOrderAndRefusedWhenTooManyWait) {
  std::vector<int> done;
  std::promise<void> entered, release;
  {
    Errands errands(2);
    ASSERT_TRUE(errands
                    .run([&] {
                      entered.set_value();
                      release.get_future().wait();
                    })
                    .ok());
    entered.get_future().wait();
    EXPECT_TRUE(errands.run([&] { done.push_back(1); }).ok());
    EXPECT_TRUE(errands.run([&] { done.push_back(2); }).ok());
    EXPECT_TRUE(absl::IsUnavailable(errands.run([&] { done.push_back(3); })));
    release.set_value();
  }  // does what waits
  EXPECT_THAT(done, ElementsAre(1, 2));
}

}  // namespace
}  // namespace espalier::server
