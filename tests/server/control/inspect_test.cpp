#include "server/control/inspect.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <map>

#include "core/base/files.h"
#include "core/spec/model_config.h"
#include "core/spec/safetensors.h"
#include "tests/server/control/store_fixture.h"

namespace espalier::server {
namespace {

// In a child, as it sets limits; sanitizers need more memory than those allow.
TEST(InspectMain, TakesTheSpecFromAFile) {
#ifdef ESPALIER_SANITIZED
  GTEST_SKIP() << "not under a sanitizer";
#endif
  ScratchFolder folder;
  const std::string spec = folder.path() + "/spec.json", data = folder.path() + "/data";
  ASSERT_TRUE(make_folders(data).ok());
  ASSERT_TRUE(write_file(data + "/train.tsv", "text\tlabel\ngood\tpos\nbad\tneg\n").ok());
  ASSERT_TRUE(write_file(spec, R"({"splits": [{"name": "train", "path": "train.tsv"}]})").ok());
  const auto run = [&](const std::string& path) {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // which is what the test can read
    std::exit(inspect_main({"dataset", data, path}));
  };
  EXPECT_EXIT(run(spec), testing::ExitedWithCode(0), "\"ok\":true");
  EXPECT_EXIT(run(spec + ".none"), testing::ExitedWithCode(2), "spec.json.none");
}

// A model whose embedding has five rows, with one file of its tokenizer changed or added.
Json inspect_model_with(const std::string& file, const std::string& text) {
  ScratchFolder folder;
  const Json config = {{"model_type", "bert"},        {"hidden_size", 8},
                       {"num_hidden_layers", 1},      {"num_attention_heads", 2},
                       {"intermediate_size", 6},      {"vocab_size", 5},
                       {"max_position_embeddings", 4}};
  const std::vector<float> zeros(64);
  std::vector<TensorView> tensors;
  for (const auto& [name, shape] : expected_tensors(*read_model_config(config)))
    tensors.push_back({name, "F32", shape, zeros.data()});
  EXPECT_TRUE(write_safetensors(folder.path() + "/model.safetensors", tensors).ok());
  std::map<std::string, std::string> files = {{"config.json", config.dump()},
                                              {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n"}};
  files[file] = text;
  for (const auto& [name, content] : files)
    EXPECT_TRUE(write_file(folder.path() + "/" + name, content).ok());
  return inspect(ResourceKind::kModel, folder.path(), Json());
}

TEST(Inspect, TakesATokenizerThatFits) {
  EXPECT_EQ(inspect_model_with("added_tokens.json", R"({"<new>": 4})")["family"], "bert");
}

// What a job would meet only when it runs.
TEST(Inspect, RefusesATokenizerThatCannotBeMadeOrDoesNotFit) {
  const struct {
    const char *file, *text, *message;
  } kCases[] = {
      {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\na\nb\n", "no [SEP]"},
      {"vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[SEP]\n", "again on line 5"},
      {"added_tokens.json", R"({"<new>": 5})", "ids up to 5, added tokens included"},
      {"special_tokens_map.json", "[]", "must be a JSON object"},
  };
  for (const auto& c : kCases) {
    const Json answer = inspect_model_with(c.file, c.text);
    EXPECT_FALSE(answer["ok"]) << c.message;
    EXPECT_THAT(answer.value("message", ""), testing::HasSubstr(c.message));
  }
}

}  // namespace
}  // namespace espalier::server
