// The registries as data, and the words that describe this build and machine.
#include "core/spec/catalogue.h"

#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/version.h>

#include <fstream>

#include "absl/strings/str_cat.h"
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

std::string compute_class() {
  return absl::StrCat("cpu-", at::get_cpu_capability(), "-", at::get_num_threads(), "t-torch",
                      TORCH_VERSION);
}

std::string machine_description() {
  std::string model = "unknown CPU";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.starts_with("model name")) {
      model = line.substr(line.find(':') + 2);
      break;
    }
  }
  return absl::StrCat(model, " (", at::get_cpu_capability(), "), ", at::get_num_threads(),
                      " threads, torch ", TORCH_VERSION);
}

}  // namespace espalier
