// Whole jobs on a model and a data set small enough for seconds.
#pragma once

#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/artifact/artifact.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/job/compress.h"
#include "core/spec/catalogue.h"
#include "core/spec/recipe.h"
#include "gtest/gtest.h"
#include "tests/core/spec/scratch.h"
#include "tests/testing/tiny_model.h"

namespace espalier {

inline constexpr int kReportRows = 48;

inline std::string vocabulary() {
  std::string out = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n";
  for (int i = 5; i < 40; ++i) absl::StrAppend(&out, "w", i, "\n");
  return out;
}

// Texts of 2 to 9 words, labelled by how often one of them occurs.
inline std::string table(int rows, uint64_t seed) {
  Random random(seed);
  std::string out = "text\tlabel\n";
  for (int i = 0; i < rows; ++i) {
    size_t sevens = 0;
    for (uint64_t words = 2 + random.below(8); words > 0; --words) {
      const uint64_t word = random.below(5) == 0 ? 7 : 5 + random.below(35);
      sevens += word == 7 ? 1 : 0;
      absl::StrAppend(&out, "w", word, words > 1 ? " " : "");
    }
    absl::StrAppend(&out, "\t", std::string(1, "abc"[std::min<size_t>(sevens, 2)]), "\n");
  }
  return out;
}

inline Json training(int steps) {
  return {{"steps", steps}, {"batch_size", 16}, {"micro_batch_size", 16}, {"learning_rate", 2e-3}};
}

inline Json resolved(const Json& written) {
  const Catalogue catalogue = value_or_throw(Catalogue::read(build_catalogue()));
  return value_or_throw(resolve_recipe(written, catalogue));
}

inline Json recipe_of(Precision precision, bool compresses) {
  Json written = {
      {"recipe", "dense"}, {"precision", precision_name(precision)}, {"finetune", training(30)}};
  if (compresses) {
    written["recipe"] = "auto";
    written["target"] = {{"sparsity", 0.4}};
    written["pruner"] = {{"name", "taylor"}};
    written["exit"] = {{"name", "deebert"}};
    for (const char* phase : {"prune", "recover", "exits"}) written[phase] = training(12);
  }
  return resolved(written);
}

class SmallJob : public ::testing::Test {
 protected:
  SmallJob() {
    scratch_.write("tokenizer/vocab.txt", vocabulary());
    write_model(testing::tiny_model());
    DatasetSpec data;
    data.folder = scratch_.path() + "/data";
    uint64_t seed = 0;
    for (const auto& [split, rows] : std::map<std::string, int>{
             {"train", 160}, {"select", 32}, {"calibrate", 32}, {"report", kReportRows}}) {
      data.splits[split] = split + ".tsv";
      scratch_.write("data/" + data.splits[split], table(rows, ++seed));
    }
    input_.dataset = data;
    input_.checkpoint_folder = scratch_.path() + "/checkpoint";
    input_.output_folder = scratch_.path() + "/out";
    input_.job_name = "small";
  }

  // The job's model folder, which an artifact is, too.
  void write_model(const Model& model, const std::vector<std::string>& labels = {"a", "b", "c"}) {
    ArtifactSpec spec;
    spec.task = "text-classification";
    spec.label_names = labels;
    spec.max_length = 32;
    Golden golden;
    golden.inputs.push_back(testing::tiny_examples(1).input(0).copy());
    golden.logits = at::zeros({1, 3});
    input_.model_folder = scratch_.path() + "/model";
    throw_if_error(
        save_artifact(input_.model_folder, model, spec, scratch_.path() + "/tokenizer", golden));
  }

  // report.json of the first artifact.
  Json run(Precision precision, bool compresses) { return run(recipe_of(precision, compresses)); }
  Json run(Json resolved) {
    input_.recipe = std::move(resolved);
    JobHooks hooks;
    output_ = value_or_throw(compress(input_, hooks));
    return value_or_throw(read_json(output_.artifacts.front().folder + "/report.json"));
  }

  const testing::Scratch scratch_;
  JobInput input_;
  JobOutput output_;
};

}  // namespace espalier
