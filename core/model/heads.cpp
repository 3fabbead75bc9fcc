#include "core/model/heads.h"

#include "core/kernels/dropout.h"
#include "core/model/activation.h"

namespace espalier {

Tensor head_logits(const Linear& pooler, const Linear& classifier, const Tensor& row,
                   const std::string& activation, HeadDropout dropout) {
  Tensor features = row;
  if (pooler.defined()) {
    const Tensor read = espalier::dropout(row, dropout.pooler);
    features = activate(activation, pooler.forward(read));
  }
  return classifier.forward(espalier::dropout(features, dropout.classifier));
}

Tensor token_logits(const Model& model, const Tensor& tokens, double dropout) {
  Tensor features = model.pooler.defined()
                        ? activate(model.config.head_activation, model.pooler.forward(tokens))
                        : tokens;
  return model.classifier.forward(espalier::dropout(features, dropout));
}

Tensor word_logits(const Model& model, const Tensor& tokens) {
  Tensor x = activate(model.config.lm_activation, model.lm_dense.forward(tokens));
  x = model.lm_norm.forward(x, model.config.norm_eps);
  return at::linear(x, model.word, model.lm_bias);
}

}  // namespace espalier
