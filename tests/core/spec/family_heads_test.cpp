#include "core/spec/families.h"
#include "tests/core/spec/checkpoint.h"
#include "tests/core/spec/small_families.h"

namespace espalier {
namespace {

using testing::Checkpoint;
using testing::read_small;
using testing::Refuses;
using testing::small;

TEST(Families, FindAHeadThatNobodyPromised) {
  for (const char* model_type : {"roberta", "distilbert", "mpnet", "electra"}) {
    for (const char* task : {"ForSequenceClassification", "ForTokenClassification",
                             "ForQuestionAnswering", "ForMaskedLM"}) {
      Json json = small(model_type, task);
      Checkpoint checkpoint(json.dump());
      json.erase("architectures");
      checkpoint.files()["config.json"] = json.dump();
      const ModelConfig found = checkpoint.inspect()->config, wanted = read_small(model_type, task);
      EXPECT_EQ(found.head, wanted.head) << model_type << task;
      EXPECT_EQ(found.spans, wanted.spans) << model_type << task;
      EXPECT_EQ(found.head_dropout, wanted.head_dropout) << model_type << task;
    }
  }
}

TEST(Families, TellSpansFromTagsByTheNameOfTheirHead) {
  Checkpoint checkpoint(small("bert", "ForQuestionAnswering").dump());
  EXPECT_EQ(checkpoint.tensors().count("qa_outputs.weight"), 1u);
  EXPECT_TRUE(checkpoint.inspect()->config.spans);
  for (const char* leaf : {"weight", "bias"})
    checkpoint.rename(std::string("qa_outputs.") + leaf, std::string("classifier.") + leaf);
  EXPECT_FALSE(checkpoint.inspect()->config.spans);
}

TEST(Families, FindSpansWithTwoOutputsOnly) {
  Json json = small("bert", "ForQuestionAnswering");
  Checkpoint checkpoint(json.dump());
  json.erase("architectures");
  checkpoint.files()["config.json"] = json.dump();
  checkpoint.tensors()["qa_outputs.weight"].shape = {3, 8};
  EXPECT_THAT(checkpoint.inspect().status(), Refuses("needs 2 rows"));
}

// A key of config.json that says the dropout of both heads says it again; else the new head has
// what configuration_distilbert.py and the classes of modeling_bert.py give it.
TEST(Families, GiveAChangedHeadItsOwnDropout) {
  auto changed = [](Json json, HeadKind kind, bool spans) {
    ModelConfig config = *read_model_config(json);
    change_head(config, kind, spans);
    EXPECT_EQ(config.head, kind);
    EXPECT_EQ(config.spans, spans);
    return config.head_dropout;
  };
  const HeadKind sequence = HeadKind::kSequence, token = HeadKind::kToken;
  Json distilbert = small("distilbert", "ForSequenceClassification");
  distilbert["seq_classif_dropout"] = 0.3;
  EXPECT_EQ(changed(distilbert, sequence, false), 0.3);
  EXPECT_EQ(changed(distilbert, token, false), std::nullopt);
  EXPECT_EQ(changed(distilbert, token, true), 0.1);
  Json bert = small("bert", "ForQuestionAnswering");
  EXPECT_EQ(changed(bert, token, true), 0.0);
  EXPECT_EQ(changed(bert, token, false), std::nullopt);
  bert = small("bert", "ForTokenClassification");
  bert["classifier_dropout"] = 0.4;
  EXPECT_EQ(changed(bert, sequence, false), 0.4);
  EXPECT_EQ(changed(bert, token, true), 0.0);
  EXPECT_EQ(changed(small("mpnet", "ForSequenceClassification"), token, true), 0.0);
}

}  // namespace
}  // namespace espalier
