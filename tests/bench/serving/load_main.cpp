// espalier-bench-load --target HOST:PORT --bodies FILE ...: asks a server again and again, by HTTP
// or by gRPC, and says how it answered. One generator for every server that is measured.
//
// Prints "measuring" when the warm-up is over, "measured" after the last request was sent, and then
// a line of JSON: its own CPU seconds between the two, mismatches, and of each phase what Record
// says. One thread (and one that waits for gRPC).
#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "server/common/command_line.h"
#include "tests/bench/serving/load_driver.h"
#include "tests/bench/serving/load_grpc.h"
#include "tests/bench/serving/load_http.h"

namespace espalier::load {
namespace {

struct Flags {
  std::string target, path, model, bodies, expect, pointer = "/outputs/0/data", phases, log;
  double seconds = 10, warm_up = 2, cancel_ms = 20;
  int64_t timeout_ms = 60'000, drain_ms = 30'000;
  int channels = 0;
  DriveOptions drive;
};

void add_options(CLI::App& app, Flags& flags) {
  app.add_option("--target", flags.target, "HOST:PORT")->required();
  auto* path = app.add_option("--path", flags.path, "Path of POST requests: asks by HTTP");
  app.add_option("--grpc", flags.model, "Name of a model: asks by gRPC")->excludes(path);
  app.add_option("--bodies", flags.bodies, "Requests, a JSON document a line")->required();
  app.add_option("--expect", flags.expect, "Their answers, or null for any, a line each");
  app.add_option("--pointer", flags.pointer, "JSON pointer of what is compared (HTTP)")
      ->capture_default_str();
  app.add_option("--tolerance", flags.drive.tolerance, "Largest difference of two numbers");
  app.add_option("--connections", flags.drive.connections,
                 "Clients of the closed loop; connections at most of the open one")
      ->check(CLI::Range(1, 1000));
  app.add_option("--channels", flags.channels, "gRPC: connections that share them; 0: one each");
  auto* seconds = app.add_option("--seconds", flags.seconds, "Closed loop, by the clock");
  auto* requests = app.add_option("--requests", flags.drive.requests, "Closed loop, by count");
  app.add_option("--phases", flags.phases, "Open loop: RATE:SECONDS,...")
      ->excludes(seconds)
      ->excludes(requests);
  app.add_option("--warm-up", flags.warm_up, "Seconds before what counts")->capture_default_str();
  app.add_option("--timeout-ms", flags.timeout_ms, "Until a client gives up")
      ->capture_default_str();
  app.add_option("--drain-ms", flags.drain_ms, "For answers after the last request")
      ->capture_default_str();
  app.add_option("--cancel", flags.drive.cancel, "Share of requests that are given up")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--cancel-ms", flags.cancel_ms, "... after at most this time")
      ->capture_default_str();
  app.add_option("--die", flags.drive.die, "Share of clients that go in mid-request")
      ->check(CLI::Range(0.0, 1.0));
  app.add_option("--seed", flags.drive.seed, "Of arrivals and fates")->capture_default_str();
  app.add_option("--log", flags.log, "Writes every request here, as CSV");
}

absl::Status finish(Flags& flags) {
  if (flags.path.empty() == flags.model.empty())
    return absl::InvalidArgumentError("give either --path (HTTP) or --grpc MODEL");
  std::vector<Phase> phases = {{0, flags.seconds}};
  if (!flags.phases.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(phases, parse_phases(flags.phases));
  }
  phases.insert(phases.begin(), {phases[0].rate, flags.warm_up});
  flags.drive.phases = std::move(phases);
  flags.drive.drain = std::chrono::milliseconds(flags.drain_ms);
  flags.drive.longest_patience =
      std::chrono::microseconds(static_cast<int64_t>(flags.cancel_ms * 1000));
  return absl::OkStatus();
}

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// A connection is a file.
void allow_many_files() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
}

absl::Status run(Flags& flags) {
  ESPALIER_RETURN_IF_ERROR(finish(flags));
  ESPALIER_ASSIGN_OR_RETURN(const std::vector<Body> bodies,
                            read_bodies(flags.bodies, flags.expect));
  boost::asio::io_context io(1);
  const std::chrono::milliseconds timeout(flags.timeout_ms);
  std::unique_ptr<HttpLanes> http;
  std::unique_ptr<GrpcLanes> grpc;
  if (flags.model.empty()) {
    ESPALIER_ASSIGN_OR_RETURN(
        http, HttpLanes::make(io, {flags.target, flags.path, flags.pointer, timeout}, bodies));
  } else {
    ESPALIER_ASSIGN_OR_RETURN(
        grpc, GrpcLanes::make(io, {flags.target, flags.model, flags.channels, timeout}, bodies));
  }
  Record record(!flags.log.empty());
  double cpu = 0;
  TimePoint began, ended;
  const auto mark = [&](bool begins) {
    std::cout << (begins ? "measuring" : "measured") << std::endl;
    (begins ? began : ended) = Clock::now();
    cpu = cpu_seconds() - (begins ? 0 : cpu);
  };
  Driver driver(
      io, flags.drive, bodies, [&] { return http != nullptr ? http->lane() : grpc->lane(); },
      record, mark);
  driver.run();

  std::vector<Phase>& phases = flags.drive.phases;
  if (flags.drive.requests > 0)
    phases[1].seconds = std::chrono::duration<double>(ended - began).count();
  Json out = {{"cpu_seconds", cpu}, {"mismatches", record.mismatches()}, {"phases", Json::array()}};
  if (http != nullptr) out["connects"] = http->connects();
  for (size_t i = 1; i < phases.size(); ++i) out["phases"].push_back(record.phase(i, phases[i]));
  std::cout << out.dump() << std::endl;
  return flags.log.empty() ? absl::OkStatus() : record.write_log(flags.log, driver.start());
}

}  // namespace
}  // namespace espalier::load

int main(int argc, char** argv) {
  espalier::load::Flags flags;
  CLI::App app("Asks a server again and again and says how it answered.");
  espalier::load::add_options(app, flags);
  if (const auto code = espalier::server::parse_command_line(app, argc, argv)) return *code;
  espalier::load::allow_many_files();
  if (const absl::Status status = espalier::load::run(flags); !status.ok()) {
    std::cerr << "espalier-bench-load: " << status.message() << "\n";
    return 1;
  }
  return 0;
}
