#include "core/runtime/engine.h"

#include <ATen/Parallel.h>

#include <chrono>
#include <filesystem>
#include <thread>

#include "core/artifact/artifact.h"
#include "core/artifact/as_stored.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/model/load.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"
#include "core/runtime/fused_layer.h"
#include "core/runtime/packed_backend.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/core/spec/scratch.h"
#include "tests/testing/tiny_model.h"

namespace espalier::runtime {
namespace {

using ::testing::HasSubstr;

constexpr int kRows = 8;

Tensor logits_of(Backend& backend, const Batch& batch) {
  torch::NoGradGuard no_grad;
  return walk(backend, batch).logits;
}

// The tiny model as an artifact in a precision, with golden logits as a job makes them.
class SavedEngine : public ::testing::Test {
 protected:
  void save(Precision precision) {
    stored_ = as_stored(testing::tiny_model(), precision);
    Golden golden;
    for (int i = 0; i < kRows; ++i) golden.inputs.push_back(examples_.input(i).copy());
    TrainBackend exact(stored_);
    golden.logits = logits_of(exact, golden.batch());
    const Plan plan = make_plan(stored_, precision);
    PackedBackend twin(plan);
    rounded_ = logits_of(twin, golden.batch());
    golden.slack = value_or_throw(slack_between(golden.logits, rounded_, precision));
    exact_ = golden.logits;
    ArtifactSpec spec;
    spec.task = "text-classification";
    spec.label_names = {"a", "b", "c"};
    spec.max_length = 32;
    spec.precision = precision;
    scratch_.write("vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw\n");
    throw_if_error(save_artifact(folder_, stored_, spec, scratch_.path(), golden));
  }

  // What an engine answers to the golden rows, [kRows, 3].
  Tensor answers(Engine& engine) const {
    std::vector<Row> rows(kRows);
    for (int i = 0; i < kRows; ++i) rows[i].input = examples_.input(i).copy();
    std::vector<Tensor> out;
    for (const Answer& answer : value_or_throw(engine.predict(rows)))
      out.push_back(torch::tensor(answer.logits));
    return at::stack(out);
  }

  const testing::Scratch scratch_;
  const std::string folder_ = scratch_.path() + "/artifact";
  const Examples examples_ = testing::tiny_examples(kRows);
  Model stored_;
  Tensor exact_, rounded_;  // logits of the golden rows by fp32's products and by the precision's
};

// On every machine; the other engine multiplies fp32 on those that do not multiply bf16.
TEST_F(SavedEngine, MultipliesInThePublishedPrecisionWhereItIsAskedTo) {
  save(Precision::kBf16);
  const auto published = value_or_throw(Engine::load(folder_, {.as_published = true}));
  EXPECT_EQ(published->info().products, "bf16");
  // Panels of bf16 (see FusedProduct::fits()) round other numbers than the twin, and fewer.
  const double gap = testing::max_gap(answers(*published), exact_);
  EXPECT_GT(gap, 1e-4);
  if (FusedLayer::fits(stored_, 0, Precision::kBf16))
    EXPECT_LE(gap, 2 * testing::max_gap(rounded_, exact_));
  else
    EXPECT_LE(testing::max_gap(answers(*published), rounded_), 1e-5);
  const auto serving = value_or_throw(Engine::load(folder_));
  EXPECT_EQ(serving->info().products, precision_name(products_of(Precision::kBf16, at::kCPU)));
}

int64_t threads_of_this_process() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return std::distance(begin(tasks), end(tasks));
}

TEST_F(SavedEngine, LetsItsThreadsGo) {
  save(Precision::kFp32);
  const int before = at::get_num_threads();
  at::set_num_threads(2);
  const auto engine = value_or_throw(Engine::load(folder_));
  answers(*engine);
  const int64_t computing = threads_of_this_process();
  engine->release_threads();
  for (int i = 0; i < 500 && threads_of_this_process() == computing; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_LT(threads_of_this_process(), computing);
  EXPECT_LE(testing::max_gap(answers(*engine), exact_), 1e-5);  // they start again
  at::set_num_threads(before);
}

TEST_F(SavedEngine, IsRefusedWithASpoiltScale) {
  save(Precision::kInt8);
  EXPECT_TRUE(Engine::load(folder_).ok());
  auto tensors = stored_tensors(stored_, Precision::kInt8);
  tensors.at("layers.2.ffn.down.weight.scale")[3] *= 1024;  // a scale that could be one
  throw_if_error(save_tensors(folder_ + "/model.safetensors", tensors, {{"format", "pt"}}));
  ASSERT_TRUE(load_artifact(folder_).ok());
  const absl::Status status = Engine::load(folder_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("golden logits differ"));
}

}  // namespace
}  // namespace espalier::runtime
