// What holds whatever comes: random traffic at three times the capacity, from fixed seeds.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>

#include "tests/testing/batcher_simulation.h"

namespace espalier::runtime {
namespace {

using espalier::testing::BatcherSimulation;
using espalier::testing::SimulatedOutcome;
using espalier::testing::SimulatedRequest;
using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::seconds;

// 2 ms and 50 us a token: with 16 rows of about 20 tokens some 880 rows a second.
Duration cost(int64_t tokens) { return milliseconds(2) + microseconds(50) * tokens; }

class BatcherProperties : public ::testing::TestWithParam<int> {
 protected:
  const BatcherOptions options{.limits = {.rows = 16, .tokens = 300, .max_wait = milliseconds(400)},
                               .max_queue_rows = 500};
  BatcherSimulation simulation;
  std::mt19937 random{static_cast<unsigned>(GetParam())};
  std::vector<SimulatedRequest> asked;  // by the index of their outcomes

  int draw(int low, int high) { return std::uniform_int_distribution<int>(low, high)(random); }
  SimulatedRequest any_request() {
    SimulatedRequest request;
    for (int rows = draw(0, 9) == 0 ? draw(1, 40) : 1; rows > 0; --rows) {
      request.tokens.push_back(draw(0, 99) == 0 ? 350 : draw(3, 37));
    }
    request.priority = draw(0, 4);
    if (draw(0, 3) == 0) request.timeout = milliseconds(draw(1, 600));
    if (draw(0, 9) == 0) request.cancel_after = milliseconds(draw(1, 300));
    return request;
  }
  // Three seconds of requests, one every `mean` or so.
  void traffic(Duration mean, const std::function<SimulatedRequest()>& make) {
    TimePoint time = simulation.now();
    const TimePoint end = time + seconds(3);
    std::exponential_distribution<double> gap(1.0 / static_cast<double>(mean.count()));
    while ((time += Duration(static_cast<Duration::rep>(gap(random)))) < end) {
      simulation.at(time, [this, request = make()] {
        asked.push_back(request);
        simulation.ask(request);
      });
    }
  }
  void any_traffic() {
    simulation.add_model(options, cost);
    traffic(milliseconds(2), [this] { return any_request(); });
    simulation.run();
  }
  Duration latency(size_t id) const {
    return simulation.outcomes[id].answered - simulation.outcomes[id].asked;
  }
};

TEST_P(BatcherProperties, EveryRequestIsAnsweredOnceWithItsOwnRows) {
  any_traffic();
  ASSERT_GT(simulation.outcomes.size(), 1000u);
  for (const SimulatedOutcome& outcome : simulation.outcomes) {
    EXPECT_EQ(outcome.calls, outcome.accepted ? 1 : 0);
    EXPECT_TRUE(outcome.rows_ok);
  }
  EXPECT_EQ(simulation.batcher(0).queued_rows(), 0);
}

TEST_P(BatcherProperties, NoRowRunsTwiceAndNoneOfWhoWasRefused) {
  any_traffic();
  std::map<std::pair<size_t, int>, int> runs;
  for (const auto& batch : simulation.batches) {
    for (const auto& row : batch.rows) {
      EXPECT_EQ(++runs[row], 1);
      EXPECT_TRUE(simulation.outcomes[row.first].accepted);
    }
  }
}

TEST_P(BatcherProperties, NoBatchExceedsItsBudgetButASingleLongRow) {
  any_traffic();
  for (const auto& batch : simulation.batches) {
    EXPECT_LE(batch.rows.size(), 16u);
    if (batch.rows.size() > 1) {
      EXPECT_LE(batch.tokens, 300);
    }
  }
}

TEST_P(BatcherProperties, RequestsOfOnePriorityStartInTheOrderTheyCame) {
  any_traffic();
  std::map<int, size_t> last;
  for (const auto& batch : simulation.batches) {
    for (const auto& [id, row] : batch.rows) {
      if (row > 0) continue;
      const auto [before, first] = last.try_emplace(asked[id].priority, id);
      if (!first) {
        EXPECT_GT(id, before->second);
      }
      before->second = id;
    }
  }
}

TEST_P(BatcherProperties, NobodyWaitsForEverBehindAHigherPriority) {
  simulation.add_model(options, cost);
  traffic(microseconds(400),
          [this] { return SimulatedRequest{.tokens = {20}, .priority = draw(0, 9) == 0 ? 0 : 1}; });
  simulation.run();
  for (size_t id = 0; id < asked.size(); ++id) {
    if (!simulation.outcomes[id].accepted) continue;
    EXPECT_EQ(simulation.outcomes[id].code, absl::StatusCode::kOk);
    EXPECT_LT(latency(id),
              milliseconds(500) +
                  (asked[id].priority == 1 ? Duration::zero() : kPriorities * kHeadStart));
  }
}

TEST_P(BatcherProperties, AcceptedRequestsWaitNoLongerThanTheyMay) {
  simulation.add_model(options, cost);
  traffic(microseconds(350), [this] { return SimulatedRequest{.tokens = {draw(3, 37)}}; });
  simulation.run();
  int refused = 0;
  for (size_t id = 0; id < asked.size(); ++id) {
    if (simulation.outcomes[id].accepted) {
      EXPECT_LT(latency(id), milliseconds(440));
    } else {
      ++refused;
      EXPECT_EQ(simulation.outcomes[id].code, absl::StatusCode::kUnavailable);
    }
  }
  EXPECT_GT(refused, 1000);
}

// It would take the engine about 0.9 seconds, of which nobody may wait more than 0.4.
TEST_P(BatcherProperties, ALargeRequestShutsNobodyOut) {
  simulation.add_model(options, cost);
  simulation.at(simulation.now() + milliseconds(100), [this] {
    asked.push_back({.tokens = std::vector<int>(450, 37)});
    simulation.ask(asked.back());
  });
  traffic(milliseconds(5), [this] { return SimulatedRequest{.tokens = {draw(3, 37)}}; });
  simulation.run();
  for (size_t id = 0; id < asked.size(); ++id) {
    const SimulatedOutcome& outcome = simulation.outcomes[id];
    EXPECT_EQ(outcome.code, absl::StatusCode::kOk);
    // The batch of 17 ms that runs, one that was full already, its own.
    EXPECT_LT(latency(id), asked[id].tokens.size() > 1 ? seconds(2) : milliseconds(55));
  }
}

TEST_P(BatcherProperties, ALargeRequestGoesOnHoweverManySmallOnesCome) {
  simulation.add_model(options, cost);
  traffic(microseconds(350), [this] {
    return SimulatedRequest{.tokens = std::vector<int>(draw(0, 99) == 0 ? 30 : 1, 20)};
  });
  simulation.run();
  int large = 0;
  for (size_t id = 0; id < asked.size(); ++id) {
    if (asked[id].tokens.size() == 1 || !simulation.outcomes[id].accepted) continue;
    ++large;
    // 30 rows of 20 tokens are two batches of 300: four waits at most.
    EXPECT_EQ(simulation.outcomes[id].code, absl::StatusCode::kOk);
    EXPECT_LT(latency(id), 4 * milliseconds(440));
  }
  EXPECT_GT(large, 10);
}

TEST_P(BatcherProperties, ADeadlineIsKeptOrCostsNothing) {
  simulation.add_model(options, cost);
  traffic(microseconds(350), [this] {
    return SimulatedRequest{.tokens = {draw(3, 37)}, .timeout = milliseconds(draw(10, 300))};
  });
  simulation.run();
  size_t ran = 0, late = 0;
  for (const auto& batch : simulation.batches) {
    for (const auto& [id, row] : batch.rows) {
      ++ran;
      if (batch.end > simulation.outcomes[id].asked + asked[id].timeout) ++late;
    }
  }
  EXPECT_GT(ran, 2000u);
  EXPECT_LT(late, ran / 100);  // until the rate was measured
}

TEST_P(BatcherProperties, ABusyModelTakesNoMoreThanItsShareFromAnother) {
  const size_t busy = simulation.add_model(options, cost);
  const size_t quiet = simulation.add_model(options, cost);
  traffic(microseconds(300), [&] { return SimulatedRequest{.tokens = {20}, .model = busy}; });
  traffic(milliseconds(20), [&] { return SimulatedRequest{.tokens = {20}, .model = quiet}; });
  simulation.run();
  for (size_t id = 0; id < asked.size(); ++id) {
    if (asked[id].model != quiet) continue;
    // It waits for the busy one's batch of 17 ms that runs, perhaps for one that it pays for its
    // own last turn, then it runs.
    EXPECT_TRUE(simulation.outcomes[id].accepted);
    EXPECT_LT(latency(id), milliseconds(45));
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, BatcherProperties, ::testing::Range(1, 6));

}  // namespace
}  // namespace espalier::runtime
