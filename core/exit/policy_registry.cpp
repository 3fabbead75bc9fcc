#include "core/exit/policy_registry.h"

#include "core/base/registry.h"
#include "core/exit/deebert_policy.h"

namespace espalier {

absl::StatusOr<std::unique_ptr<ExitPolicy>> make_exit_policy(const std::string& name) {
  static const Registry<ExitPolicy> registry(
      "exit policy", {{"deebert", "Entropy below a threshold.", "Xin et al. 2020, arXiv 2004.12993",
                       [](OptionReader&) { return std::make_unique<DeeBertPolicy>(); }}});
  return registry.make(name, nullptr);
}

}  // namespace espalier
