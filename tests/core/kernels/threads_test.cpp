#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <atomic>

namespace espalier {
namespace {

// A template of torch's headers, which a build without OpenMP runs on one thread, and says nothing.
TEST(Threads, OfOneParallelLoopRunAtOnce) {
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  std::atomic<int> calls = 0;
  at::parallel_for(0, 2, 1, [&](int64_t, int64_t) { ++calls; });
  at::set_num_threads(before);
  EXPECT_EQ(calls, 2);  // one call a thread
}

}  // namespace
}  // namespace espalier
