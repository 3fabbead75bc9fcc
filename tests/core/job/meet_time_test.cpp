// The search for a time, without a clock: gates are a share that is left, times what a test says.
#include "core/job/meet_time.h"

#include <gtest/gtest.h>

#include <vector>

namespace espalier {
namespace {

Gates leaving(double share) {
  Gates gates;
  gates.neuron = at::full({1, 1}, share, at::kDouble);
  return gates;
}
double share_of(const Gates& gates) { return gates.neuron.item<double>(); }

// A model that takes 10 ms times what is left, off by `factor`; 4 ms are wanted.
struct Search {
  double factor = 1, wanted = 4, least = 0;
  bool reopens = true;
  std::vector<double> noise;  // of each measurement, 1 when there are no more
  std::vector<TimeTry> tries;
  int measured = 0;

  double found(double start) {
    TimeSearch search;
    search.expect = [](const Gates& gates) { return 10 * share_of(gates); };
    search.measure = [&](const Gates& gates) {
      const auto turn = static_cast<size_t>(measured++);
      const double slower = turn < noise.size() ? noise[turn] : 1;
      return TimeTaken{10 * share_of(gates) * factor * slower, wanted};
    };
    search.ask = [&](double milliseconds) -> std::optional<Gates> {
      if (milliseconds / 10 < least) return std::nullopt;
      return leaving(milliseconds / 10);
    };
    search.reopens = reopens;
    return share_of(meet_time(leaving(start), search, tries));
  }
};

TEST(MeetTime, LeavesWhatIsMetAlone) {
  Search search;
  EXPECT_EQ(search.found(0.4), 0.4);
  EXPECT_EQ(search.measured, 1);
}

TEST(MeetTime, AsksForWhatTheTableShouldHaveSaid) {
  Search slow{.factor = 1.25}, fast{.factor = 0.8};
  EXPECT_NEAR(slow.found(0.4), 0.32, 1e-9);
  EXPECT_NEAR(fast.found(0.4), 0.5, 1e-9) << "time is given back";
  Search closed{.factor = 0.8, .reopens = false};
  EXPECT_EQ(closed.found(0.4), 0.4) << "by who can";
}

TEST(MeetTime, DoesNothingAboutASpike) {
  Search search{.noise = {1.8}};
  EXPECT_EQ(search.found(0.4), 0.4);
  EXPECT_EQ(search.measured, 2);
}

TEST(MeetTime, KeepsTheBestOfWhatItTried) {
  // Met with slack, then missed twice as time is given back, then met again, and so on.
  Search search{.factor = 0.9, .noise = {1, 1.2, 1.2, 1, 1.2, 1.2, 1, 1}};
  const double share = search.found(0.4);
  EXPECT_LE(10 * share * 0.9, 4 + 1e-9) << "what is folded was met when it was timed";
  EXPECT_LE(search.tries.size(), 5u);
}

TEST(MeetTime, EndsWhereThePrunerCannotGiveMore) {
  Search search{.factor = 2, .least = 0.3};
  EXPECT_EQ(search.found(0.4), 0.4);
  EXPECT_EQ(search.tries.size(), 1u);
  EXPECT_NEAR(search.tries.front().time.taken, 8, 1e-9);
}

}  // namespace
}  // namespace espalier
