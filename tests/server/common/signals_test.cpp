#include "server/common/signals.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

namespace espalier::server {
namespace {

// One test: signals and the environment belong to the whole process.
TEST(Signals, SigtermSigintAndTheEndOfTheLifelineStop) {
  setenv(kLifelineVariable, "9999", 1);
  EXPECT_TRUE(absl::IsInvalidArgument(block_stop_signals()));

  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  setenv(kLifelineVariable, std::to_string(ends[0]).c_str(), 1);
  ASSERT_TRUE(block_stop_signals().ok());
  EXPECT_TRUE(fcntl(ends[0], F_GETFD) & FD_CLOEXEC);

  request_stop();
  EXPECT_EQ(wait_for_stop(), "SIGTERM");
  kill(getpid(), SIGINT);
  EXPECT_EQ(wait_for_stop(), "SIGINT");

  ASSERT_EQ(write(ends[1], "x", 1), 1);  // bytes mean nothing
  close(ends[1]);
  EXPECT_EQ(wait_for_stop(), "the supervisor is gone");

  request_stop();  // the dead lifeline is not reported again
  EXPECT_EQ(wait_for_stop(), "SIGTERM");
}

}  // namespace
}  // namespace espalier::server
