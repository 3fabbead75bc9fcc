// A few inputs with the logits that training code computed for them: whoever loads an artifact can
// prove that it computes the same.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/batch.h"

namespace espalier {

// At full depth: [B,C], or of heads that read tokens [N,C] and, of asked words, [n,V].
struct Golden {
  std::vector<Input> inputs;
  Tensor logits;
  Tensor sentence_logits;  // [B,2] of models that follow sentences; others and older files: none

  Batch batch() const;
};

absl::Status save_golden(const std::string& folder, const Golden& golden);
// INVALID_ARGUMENT or NOT_FOUND names what is wrong with golden.safetensors. A file that does not
// say which tokens are asked for asks for none.
absl::StatusOr<Golden> load_golden(const std::string& folder);

}  // namespace espalier
