#include "server/worker/held_lease.h"

#include <spdlog/spdlog.h>

#include <algorithm>

namespace espalier::server {

HeldLease::HeldLease(const ControlClient& client, wire::LeaseToken token, const StopFlag& stop,
                     Options options)
    : client_(client), token_(std::move(token)), stop_(stop), options_(options), thread_([this] {
        beat();
      }) {}

HeldLease::~HeldLease() {
  over_.stop();
  thread_.join();
}

void HeldLease::beat() {
  using Seconds = std::chrono::duration<double>;
  const Seconds again = std::min(options_.heartbeat, Seconds(1));  // while espalierd is away
  bool away = false;
  while (!over_.wait_for(away ? again : options_.heartbeat) && !lost_) {
    auto answer = call(&Stub::Heartbeat, wire::HeartbeatRequest());
    if (lost_) {
      spdlog::warn("the lease of {} is lost: {}", token_.job(), answer.status().ToString());
    } else if (!answer.ok() && !away) {
      spdlog::warn("espalierd does not answer; {} goes on: {}", token_.job(),
                   answer.status().ToString());
    } else if (answer.ok() && away) {
      spdlog::info("espalierd answers again; {} is still ours", token_.job());
    }
    away = !answer.ok();
  }
}

}  // namespace espalier::server
