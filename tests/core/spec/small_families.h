// A small model of every family, as its config.json says it.
#pragma once

#include <string>

#include "core/spec/families.h"
#include "gtest/gtest.h"

namespace espalier::testing {

// D 8, 2 layers of 2 heads, F 12; 11 words, 10 rows of positions; 8 x 8 pixels in patches of 4.
inline Json small(const std::string& model_type, const char* task = "Model") {
  Json out = {{"model_type", model_type}, {"architectures", {std::string("X") + task}}};
  const FamilyFacts& facts = *find_family(model_type);
  out[facts.keys.hidden] = 8;
  out[facts.keys.layers] = out[facts.keys.heads] = 2;
  out[facts.keys.neurons] = 12;
  if (facts.reads_images()) {
    out.update({{"image_size", 8}, {"patch_size", 4}});
  } else {
    out.update({{"vocab_size", 11}, {"max_position_embeddings", 10}});
  }
  if (model_type == "electra") out["embedding_size"] = 4;
  return out;
}
inline ModelConfig read_small(const std::string& model_type, const char* task = "Model") {
  auto config = read_model_config(small(model_type, task));
  EXPECT_TRUE(config.ok()) << config.status();
  return *config;
}

}  // namespace espalier::testing
