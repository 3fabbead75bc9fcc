#include "server/worker/artifact_check.h"

#include <algorithm>
#include <cmath>

#include "core/base/status_macros.h"
#include "core/runtime/engine.h"
#include "server/worker/verify.h"

namespace espalier::server {

absl::Status check_artifact(const std::string& folder) {
  ESPALIER_RETURN_IF_ERROR(check_manifest(folder));
  ESPALIER_ASSIGN_OR_RETURN(auto engine, runtime::Engine::load(folder));
  const runtime::Row row = engine->probe();
  ESPALIER_ASSIGN_OR_RETURN(auto answers, engine->predict({&row, 1}));
  bool finite = answers.size() == 1 && !answers[0].logits.empty() &&
                std::all_of(answers[0].logits.begin(), answers[0].logits.end(),
                            [](float x) { return std::isfinite(x); });
  if (!finite) return absl::InternalError("the engine's answer has no finite logits");
  return absl::OkStatus();
}

}  // namespace espalier::server
