#include "server/common/metrics.h"

#include <prometheus/text_serializer.h>

#include "core/base/build.h"

namespace espalier::server {

const std::vector<double>& request_buckets() {
  static const std::vector<double> buckets = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025,
                                              0.05,   0.1,   0.25,   0.5,   1.0,  2.5};
  return buckets;
}

const std::vector<double>& job_buckets() {
  static const std::vector<double> buckets = {10,   30,   60,   120,   300,   600,  1200,
                                              2400, 3600, 7200, 14400, 28800, 86400};
  return buckets;
}

const std::vector<double>& size_buckets() {
  static const std::vector<double> buckets = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024};
  return buckets;
}

Metrics::Metrics(const std::string& component) {
  gauge("espalier_build_info", "Always 1; the labels say what runs.",
        {{"version", version()}, {"commit", commit()}, {"component", component}})
      .Set(1);
}

// The registry merges: the same name gives the same family, the same labels the same metric.
prometheus::Counter& Metrics::counter(const std::string& name, const std::string& help,
                                      const Labels& labels) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Gauge& Metrics::gauge(const std::string& name, const std::string& help,
                                  const Labels& labels) {
  return prometheus::BuildGauge().Name(name).Help(help).Register(registry_).Add(labels);
}

prometheus::Histogram& Metrics::histogram(const std::string& name, const std::string& help,
                                          const std::vector<double>& buckets,
                                          const Labels& labels) {
  return prometheus::BuildHistogram().Name(name).Help(help).Register(registry_).Add(labels,
                                                                                    buckets);
}

void Metrics::record_rpc(const std::string& method, const std::string& code, double seconds) {
  counter("espalier_rpc_requests_total", "RPCs answered, by method and status code.",
          {{"method", method}, {"code", code}})
      .Increment();
  histogram("espalier_rpc_duration_seconds", "Time from an RPC's arrival to its answer.",
            request_buckets(), {{"method", method}})
      .Observe(seconds);
}

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(registry_.Collect());
}

}  // namespace espalier::server
