// A few inputs with the logits that training code computed for them, in fp32 and of the weights as
// they are stored: whoever loads an artifact can prove that it computes the same.
//
// An engine whose products are in bf16 or int8 does not, and not even the same on every machine: a
// sum that ends a bit higher there rounds another way here, and layers carry that on, so two
// machines' answers may lie as far apart as each of them from fp32's. How far that is depends on
// the model, so it is measured when the artifact is made, and the file says what to allow.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/model/batch.h"
#include "core/spec/precision.h"

namespace espalier {

// At full depth: [B,C], or of heads that read tokens [N,C] and, of asked words, [n,V].
struct Golden {
  std::vector<Input> inputs;
  Tensor logits;
  Tensor sentence_logits;  // [B,2] of models that follow sentences; others and older files: none
  // What the logits of an engine that does not multiply in fp32 may be off by.
  double slack = 0;

  Batch batch() const;
};

// Golden::slack for products in `precision`, of the logits [.., C] that fp32's products and those,
// rounded, made of the same rows: four times their largest gap, because the largest of a few rows
// may be small by chance, and at least 2 % of the logits' size; at most half of the largest logit,
// beyond which damaged files would pass. FAILED_PRECONDITION when that leaves no room for twice the
// gap: the model does not stand the precision. Undefined tensors: 0.
absl::StatusOr<double> slack_between(const Tensor& exact, const Tensor& rounded,
                                     Precision precision);

absl::Status save_golden(const std::string& folder, const Golden& golden);
// INVALID_ARGUMENT or NOT_FOUND names what is wrong with golden.safetensors. A file that does not
// say which tokens are asked for asks for none.
absl::StatusOr<Golden> load_golden(const std::string& folder);

}  // namespace espalier
