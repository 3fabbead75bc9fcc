#include "core/exit/registry.h"

#include "core/exit/deebert.h"

namespace espalier {

const ExitRegistry& exit_methods() {
  static const ExitRegistry registry(
      "exit", {entry<ExitMethod, DeeBert>(
                  "deebert", "Leave when the entropy of a layer's own classifier is low.",
                  "Xin et al., ACL 2020, arXiv 2004.12993")});
  return registry;
}

}  // namespace espalier
