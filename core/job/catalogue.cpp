// The registries as data, and the words that describe this build and machine.
#include "core/spec/catalogue.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <fstream>

#include "absl/strings/str_cat.h"
#include "core/base/build.h"
#include "core/distill/registry.h"
#include "core/exit/registry.h"
#include "core/job/job.h"
#include "core/prune/registry.h"

namespace espalier {
namespace {

template <class T>
void describe(const Registry<T>& registry, Json& methods) {
  for (const auto& entry : registry.entries()) {
    OptionReader reader;
    entry.make(reader);
    methods.push_back({{"kind", registry.kind()},
                       {"name", entry.name},
                       {"summary", entry.summary},
                       {"source", entry.source},
                       {"options", reader.schema()},
                       {"digest", schema_digest(reader.schema())}});
  }
}

}  // namespace

Json build_catalogue() {
  Json methods = Json::array();
  describe(pruners(), methods);
  describe(distillers(), methods);
  describe(exit_methods(), methods);
  return {{"methods", methods}};
}

namespace {

std::string cpu_model() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  }
  return "unknown CPU";
}

}  // namespace

// Virtual machines may share a model name and hide instructions that products in bf16 would use.
std::string compute_class() {
  return absl::StrCat("cpu-", cpu_model(), "-", at::get_cpu_capability(),
                      multiplies_bf16(at::kCPU) ? "-bf16-" : "-", at::get_num_threads(), "t-torch",
                      TORCH_VERSION, "-", commit());
}

std::string machine_description() {
  return absl::StrCat(cpu_model(), " (", at::get_cpu_capability(), "), ", at::get_num_threads(),
                      " threads, torch ", TORCH_VERSION);
}

}  // namespace espalier
