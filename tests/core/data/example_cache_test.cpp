#include "core/data/example_cache.h"

#include <filesystem>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "core/data/splits_file.h"
#include "tests/core/data/splits_equal.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

namespace fs = std::filesystem;
using testing::sample_splits;
using testing::Scratch;

TEST(ExampleCache, FindsWhatWasKept) {
  const Scratch folder;
  const ExampleCache cache(folder.path() + "/examples");
  EXPECT_FALSE(cache.find("a"));
  ASSERT_TRUE(cache.keep("a", sample_splits()).ok());
  ASSERT_TRUE(cache.keep("b", sample_splits(8)).ok());
  ASSERT_TRUE(cache.find("a"));
  testing::expect_equal(*cache.find("a"), sample_splits());
  testing::expect_equal(*cache.find("b"), sample_splits(8));
}

TEST(ExampleCache, WithoutAFolderThereIsNone) {
  const ExampleCache cache("");
  EXPECT_TRUE(cache.keep("a", sample_splits()).ok());
  EXPECT_FALSE(cache.find("a"));
}

TEST(ExampleCache, ADamagedFileIsMadeAgain) {
  const Scratch folder;
  const ExampleCache cache(folder.path());
  const std::string path = folder.write("a", "no splits");
  EXPECT_FALSE(cache.find("a"));
  EXPECT_FALSE(fs::exists(path));
  ASSERT_TRUE(cache.keep("a", sample_splits()).ok());
  EXPECT_TRUE(cache.find("a"));
}

TEST(ExampleCache, TheLongestUnusedGoesFirst) {
  const Scratch folder;
  const ExampleCache cache(folder.path(), 2 * splits_file_size(sample_splits()));
  const auto now = fs::file_time_type::clock::now();
  for (const char* key : {"a", "b"}) {
    ASSERT_TRUE(cache.keep(key, sample_splits()).ok());
    fs::last_write_time(folder.path() + "/" + key, now - std::chrono::hours(1));
  }
  ASSERT_TRUE(cache.find("a"));  // used just now
  ASSERT_TRUE(cache.keep("c", sample_splits()).ok());
  EXPECT_FALSE(cache.find("b"));
  EXPECT_TRUE(cache.find("a"));
  EXPECT_TRUE(cache.find("c"));
}

TEST(ExampleCache, WhatIsLargerThanItDrivesNothingOut) {
  const Scratch folder;
  const uint64_t size = splits_file_size(sample_splits());
  ASSERT_TRUE(ExampleCache(folder.path(), size).keep("a", sample_splits()).ok());
  const ExampleCache smaller(folder.path(), size - 1);
  EXPECT_TRUE(absl::IsResourceExhausted(smaller.keep("b", sample_splits())));
  EXPECT_TRUE(smaller.find("a"));
}

// A data set and a model folder, and what can be changed about them.
struct Job {
  Job() {
    data.write("train.tsv", "text\tlabel\nfine\t1\nbad\t0\n");
    model.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nfine\n");
    spec.folder = data.path();
    spec.splits = {{"train", "train.tsv"}};
    config.vocabulary = 6;
  }
  std::string key() const {
    const auto tokenizer = load_tokenizer(model.path());
    EXPECT_TRUE(tokenizer.ok()) << tokenizer.status();
    const Reading reading{tokenizer->get(), &config, max_length};
    const auto key = examples_key(spec, model.path(), reading);
    EXPECT_TRUE(key.ok()) << key.status();
    return *key;
  }
  Scratch data, model;
  DatasetSpec spec;
  ModelConfig config;
  int max_length = 128;
};

TEST(ExamplesKey, IsTheSameForTheSameContent) {
  const Job first, second;  // in other folders
  EXPECT_EQ(first.key(), second.key());
  EXPECT_EQ(first.key().size(), 64u);
}

TEST(ExamplesKey, TakesADigestThatIsKnownWithoutReadingTheFile) {
  Job job;
  const std::string key = job.key();
  job.spec.digests["train.tsv"] = sha256_hex("text\tlabel\nfine\t1\nbad\t0\n");
  EXPECT_EQ(job.key(), key);
  fs::remove(job.data.path() + "/train.tsv");
  EXPECT_EQ(job.key(), key);
}

TEST(ExamplesKey, DoesNotAskForWhatChangesNoExample) {
  Job job;
  const std::string key = job.key();
  job.spec.metric = "f1";
  job.spec.class_weights.balanced = true;
  job.config.hidden = 32;
  job.model.write("model.safetensors", "weights");
  EXPECT_EQ(job.key(), key);
}

TEST(ExamplesKey, ChangesWithWhatExamplesComeFrom) {
  std::vector<std::string> keys = {Job().key()};
  auto expect_new = [&](const char* what, auto change) {
    Job job;
    change(job);
    keys.push_back(job.key());
    EXPECT_EQ(std::count(keys.begin(), keys.end(), keys.back()), 1) << what;
  };
  expect_new("data", [](Job& job) { job.data.write("train.tsv", "text\tlabel\nfine\t1\n"); });
  expect_new("split", [](Job& job) {
    job.data.write("dev.tsv", "text\tlabel\nfine\t1\n");
    job.spec.splits["report"] = "dev.tsv";
  });
  expect_new("format", [](Job& job) { job.spec.format = TableFormat::kCsv; });
  expect_new("task", [](Job& job) { job.spec.task = "multi-label-classification"; });
  expect_new("column", [](Job& job) { job.spec.text_column = "label"; });
  expect_new("pair", [](Job& job) { job.spec.text_pair_column = "label"; });
  expect_new("images", [](Job& job) { job.spec.image_column = "picture"; });
  expect_new("under", [](Job& job) { job.spec.under = {{"train", "train"}}; });
  expect_new("names", [](Job& job) { job.spec.label_names = {"0", "1"}; });
  expect_new("order", [](Job& job) { job.spec.label_names = {"1", "0"}; });
  expect_new("header", [](Job& job) { job.spec.column_names = {"text", "label"}; });
  expect_new("length", [](Job& job) { job.max_length = 64; });
  expect_new("vocabulary", [](Job& job) {
    job.model.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nbad\n");
  });
  expect_new("types", [](Job& job) { job.config.token_types = 1; });
  expect_new("family", [](Job& job) { job.config.family = Family::kRoberta; });
  expect_new("tokenizer", [](Job& job) {
    job.model.write("tokenizer_config.json", R"({"do_lower_case": false})");
  });
}

TEST(ExamplesKey, OfImagesKnowsHowTheyArePrepared) {
  Job job;
  job.config.image_size = 8;
  auto key = [&] { return *examples_key(job.spec, "no folder", {nullptr, &job.config, 5}); };
  const std::string first = key();
  job.config.image.resample = 3;
  const std::string second = key();
  job.config.image_size = 16;
  EXPECT_NE(first, second);
  EXPECT_NE(second, key());
}

TEST(ExamplesKey, WantsItsFiles) {
  Job job;
  job.spec.splits["report"] = "none.tsv";
  EXPECT_TRUE(absl::IsNotFound(examples_key(job.spec, "", {nullptr, &job.config, 128}).status()));
}

}  // namespace
}  // namespace espalier
