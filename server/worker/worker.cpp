#include "server/worker/worker.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <optional>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "core/spec/catalogue.h"

namespace espalier::server {
namespace {

constexpr uint32_t kProtocolVersion = 2;
constexpr uint32_t kCheckpointFormat = 1;
constexpr std::chrono::minutes kSayAwayEvery{1};

wire::WorkerInfo describe(const WorkerOptions& options, const Catalogue& catalogue,
                          const std::string& id) {
  wire::WorkerInfo info;
  info.set_id(id);
  info.set_protocol_version(kProtocolVersion);
  info.set_device("cpu");
  info.set_memory_bytes(static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) *
                        static_cast<uint64_t>(sysconf(_SC_PAGESIZE)));
  info.set_compute_class(options.compute_class);
  info.set_checkpoint_format(kCheckpointFormat);
  info.mutable_labels()->insert(options.labels.begin(), options.labels.end());
  for (const auto& method : catalogue.methods()) {
    (*info.mutable_methods())[absl::StrCat(method.kind, "/", method.name)] = method.digest;
  }
  return info;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Worker>> Worker::make(WorkerOptions options, Metrics& metrics) {
  ESPALIER_ASSIGN_OR_RETURN(auto catalogue, Catalogue::read(options.catalogue));
  ESPALIER_ASSIGN_OR_RETURN(auto scratch, Scratch::open(options.scratch));
  auto worker =
      std::unique_ptr<Worker>(new Worker(std::move(options), std::move(scratch), metrics));
  worker->info_ = describe(worker->options_, catalogue, worker->scratch_->worker_id());
  return worker;
}

Worker::Worker(WorkerOptions options, std::unique_ptr<Scratch> scratch, Metrics& metrics)
    : options_(std::move(options)),
      scratch_(std::move(scratch)),
      metrics_(metrics),
      client_(options_.control),
      cache_(scratch_->blobs(), options_.cache_bytes) {}

void Worker::stop() {
  stop_.stop();
  client_.interrupt();
}

Readiness Worker::readiness() const {
  if (stop_.stopped()) return {false, "stopping"};
  if (!registered_) return {false, "not registered with espalierd yet"};
  return {true, "ok"};
}

std::function<bool()> Worker::give_up_when_stopped() const {
  using Clock = std::chrono::steady_clock;
  return [this, said = std::optional<Clock::time_point>()]() mutable {
    if (stop_.stopped()) return true;
    const auto now = Clock::now();
    if (!said || now - *said >= kSayAwayEvery) {
      said = now;
      spdlog::warn("espalierd at {} does not answer; waiting for it", options_.control.address);
    }
    return false;
  };
}

absl::Status Worker::register_once() {
  wire::RegisterWorkerRequest request;
  *request.mutable_worker() = info_;
  spdlog::info("registering with espalierd at {}", options_.control.address);
  auto response = client_.call_patiently(&Stub::RegisterWorker, request, give_up_when_stopped());
  if (!response.ok()) {
    return absl::Status(response.status().code(),
                        absl::StrCat("cannot register with espalierd at ", options_.control.address,
                                     ": ", response.status().message()));
  }
  if (response->heartbeat_seconds() > 0) {
    lease_options_.heartbeat = std::chrono::duration<double>(response->heartbeat_seconds());
  }
  lease_options_.stop_grace = options_.stop_grace;
  registered_ = true;
  spdlog::info("registered with espalierd at {} as {} ({}, {} methods)", options_.control.address,
               info_.id(), info_.compute_class(), info_.methods_size());
  return absl::OkStatus();
}

absl::Status Worker::run() {
  while (!stop_.stopped()) {
    absl::Status status = register_once();
    if (stop_.stopped()) break;
    ESPALIER_RETURN_IF_ERROR(status);
    serve_leases();
  }
  return absl::OkStatus();
}

void Worker::serve_leases() {
  JobRunner runner(client_, cache_, metrics_, stop_,
                   {.jobs_folder = scratch_->jobs(),
                    .examples_folder = scratch_->examples(),
                    .compute_class = options_.compute_class,
                    .checkpoint_seconds = options_.checkpoint_seconds,
                    .lease = lease_options_,
                    .compress = options_.compress,
                    .verify = options_.verify});
  bool away = false;
  while (!stop_.stopped()) {
    auto response = client_.lease(info_, options_.lease_wait_seconds);
    if (response.ok()) {
      away = false;
      // Also when a stop came meanwhile: the runner gives it back at once.
      if (response->has_lease()) {
        runner.run(response->lease());
      } else {
        stop_.wait_for(options_.control.first_retry);  // a poll that may not wait must not spin
      }
      continue;
    }
    if (stop_.stopped()) break;
    if (!is_transient(response.status())) {
      // An espalierd that knows us no longer, or a newer one: register again, which says what is
      // wrong.
      spdlog::warn("no lease: {}; registering again", response.status().ToString());
      stop_.wait_for(options_.control.last_retry);
      return;
    }
    if (!std::exchange(away, true)) {
      spdlog::warn("espalierd at {} does not answer; waiting for it", options_.control.address);
    }
    stop_.wait_for(options_.control.last_retry);
  }
}

}  // namespace espalier::server
