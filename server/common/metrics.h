// What a process measures about itself. One object a process, made in main and handed down; no
// globals.
#pragma once

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <map>
#include <string>
#include <vector>

namespace espalier::server {

// Seconds. Requests: 0.5 ms .. 2.5 s.
const std::vector<double>& request_buckets();
// Seconds. Jobs and phases: 10 s .. 24 h.
const std::vector<double>& job_buckets();
// Rows: 1, 2, 4 .. 1024.
const std::vector<double>& size_buckets();

class Metrics {
 public:
  using Labels = std::map<std::string, std::string>;

  // `component` is "espalierd", "worker" or "serve"; it labels espalier_build_info.
  explicit Metrics(const std::string& component);

  // The metric of that name and those labels; made at the first call. References stay valid as long
  // as this object: keep them where a call is hot. Never put ids (jobs, models of users, workers)
  // in labels.
  prometheus::Counter& counter(const std::string& name, const std::string& help,
                               const Labels& = {});
  prometheus::Gauge& gauge(const std::string& name, const std::string& help, const Labels& = {});
  prometheus::Histogram& histogram(const std::string& name, const std::string& help,
                                   const std::vector<double>& buckets, const Labels& = {});

  // espalier_rpc_requests_total{method,code} and espalier_rpc_duration_seconds{method}.
  void record_rpc(const std::string& method, const std::string& code, double seconds);

  // Everything in the Prometheus text format.
  std::string text() const;
  // For collectors that compute their values when they are scraped.
  prometheus::Registry& registry() { return registry_; }

 private:
  prometheus::Registry registry_;
};

}  // namespace espalier::server
