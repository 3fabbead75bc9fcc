// The laws of artifacts in other precisions than fp32: what they hold, and what is computed of it.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "core/artifact/artifact.h"
#include "core/artifact/as_stored.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/exit/policy_registry.h"
#include "core/model/fold.h"
#include "core/model/load.h"
#include "core/model/walk.h"
#include "core/runtime/fused_backend.h"
#include "tests/laws/method_bench.h"

namespace espalier {
namespace {

using testing::max_gap;
using testing::tiny_batch;
using testing::tiny_examples;
using testing::tiny_model;

// Whole, and pruned to widths that are no multiple of anything, with heads, neurons and whole
// sub-layers missing.
std::vector<Model> models_of_many_shapes() {
  std::vector<Model> out = {tiny_model()};
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    const Model model = tiny_model(seed);
    Gates gates = testing::random_gates(model.config, seed, seed % 2 == 0);
    gates.seal(model.config);
    out.push_back(fold(model, gates));
  }
  return out;
}

// States after the last layer, [N,D].
Tensor last_states(Backend& backend, const Batch& batch) {
  torch::NoGradGuard no_grad;
  WalkOptions options;
  options.record.hidden = true;
  return walk(backend, batch, {}, options).hidden.back();
}

double distance(const Tensor& a, const Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// Whether products of bf16 are in panels: see FusedProduct::fits().
bool has_halves() { return runtime::FusedLayer::fits(tiny_model(), 0, Precision::kBf16); }

bool has_integers() { return kernels::PanelLinear8::best() != kernels::Multiplies8::kPlain; }

// Sums of integers are exact, the twin's are fp32's: a value that lies within 1e-6 of the middle
// between two steps becomes another integer here than there, and its row goes another way by about
// what rounding to steps costs it anyway. Few rows have such a value, so most numbers are equal up
// to fp32's rounding. 40 rows are more tokens than threads share at once, 9 are fewer.
TEST(Int8Law, PanelsComputeWhatTheTwinComputes) {
  for (const Model& model : models_of_many_shapes()) {
    const Model stored = as_stored(model, Precision::kInt8);
    const runtime::Plan exact_plan = runtime::make_plan(stored),
                        twin_plan = runtime::make_plan(stored, Precision::kInt8);
    const runtime::FusedPlan plan = runtime::make_fused_plan(stored, Precision::kInt8);
    runtime::PackedBackend exact(exact_plan), twin(twin_plan);
    runtime::FusedBackend fused(plan);
    for (const int rows : {9, 40}) {
      const Batch batch = tiny_batch(tiny_examples(rows, 3), rows);
      const Tensor expected = last_states(twin, batch), states = last_states(fused, batch);
      EXPECT_LE((states - expected).abs().median().item<double>(), 1e-5) << rows;
      EXPECT_LE(distance(states, expected), 0.05) << rows;
      EXPECT_LE(distance(states, last_states(exact, batch)), 0.1) << rows;
    }
  }
}

TEST(Int8Law, ProductsAreOfIntegersIndeed) {
  const Model stored = as_stored(tiny_model(), Precision::kInt8);
  const runtime::Plan plain = runtime::make_plan(stored);
  const runtime::FusedPlan plan = runtime::make_fused_plan(stored, Precision::kInt8);
  runtime::PackedBackend exact(plain);
  runtime::FusedBackend fused(plan);
  const Batch batch = tiny_batch(tiny_examples(20, 3), 20);
  EXPECT_GT(distance(last_states(fused, batch), last_states(exact, batch)), 1e-3);
  for (const auto& layer : plan.layers) EXPECT_EQ(layer.has_value(), has_integers());
}

// Each token has its own scale, and nothing else mixes rows.
TEST(Int8Law, ARowIsTheSameToTheBitInAnyCompany) {
  if (!has_integers()) GTEST_SKIP() << "LibTorch's products may depend on the number of rows";
  const Examples examples = tiny_examples(40, 3);
  for (const Model& model : models_of_many_shapes()) {
    const runtime::FusedPlan plan =
        runtime::make_fused_plan(as_stored(model, Precision::kInt8), Precision::kInt8);
    runtime::FusedBackend backend(plan);
    const Tensor crowd = last_states(backend, tiny_batch(examples, 40));
    int64_t first = 0;
    for (int64_t row = 0; row < 40; ++row) {
      const std::vector<int64_t> one = {row};
      const Tensor alone = last_states(backend, make_batch(examples, one));
      EXPECT_TRUE(at::equal(alone, crowd.narrow(0, first, alone.size(0)))) << "row " << row;
      first += alone.size(0);
    }
  }
}

// Several blocks of neurons, which threads take one after the other where each has rows of its own
// and at once where they share rows. More tokens than one thread takes at a time, and few.
TEST(PrecisionLaw, WideLayersGiveARowTheSameHoweverThreadsShareTheWork) {
  ModelConfig config = testing::tiny_config();
  config.hidden = 100;
  for (auto& layer : config.layers) layer.neurons = 1000;
  const Model model = random_model(config, 1);
  const Examples examples = tiny_examples(200, 3);
  const int threads = at::get_num_threads();
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    if (precision == Precision::kBf16 && !has_halves()) continue;
    const Model stored = as_stored(model, precision);
    const runtime::FusedPlan plan = runtime::make_fused_plan(stored, precision);
    const runtime::Plan twin_plan = runtime::make_plan(stored, precision);
    runtime::FusedBackend backend(plan);
    runtime::PackedBackend twin(twin_plan);
    const Batch all = tiny_batch(examples, 200);
    ASSERT_GT(std::accumulate(all.lengths.begin(), all.lengths.end(), int64_t{0}), 4 * 128);
    at::set_num_threads(1);
    const Tensor alone = last_states(backend, all);
    at::set_num_threads(2);
    EXPECT_TRUE(at::equal(last_states(backend, all), alone)) << precision_name(precision);
    const Tensor few = last_states(backend, tiny_batch(examples, 9));
    EXPECT_TRUE(at::equal(few, alone.narrow(0, 0, few.size(0)))) << precision_name(precision);
    at::set_num_threads(threads);
    const double most = precision == Precision::kBf16 ? 0.02 : 1e-5;  // see fused_backend.h
    EXPECT_LE((alone - last_states(twin, all)).abs().median().item<double>(), most);
  }
}

// The heads' products are LibTorch's, so their logits agree up to fp32's rounding only.
TEST(Int8Law, ARowLeavesWhereItLeavesAlone) {
  if (!has_integers()) GTEST_SKIP() << "LibTorch's products may depend on the number of rows";
  for (const auto& entry : exit_methods().entries()) {
    const Model model = as_stored(with_exits(entry.name), Precision::kInt8);
    const auto policy = *make_exit_policy(entry.name);
    const runtime::FusedPlan plan = runtime::make_fused_plan(model, Precision::kInt8);
    runtime::FusedBackend backend(plan);
    const Examples examples = tiny_examples(24, 5);
    bool found = false;  // a threshold at which rows leave after several layers
    for (const double threshold : (*exit_methods().make(entry.name, nullptr))->candidates(3, 3)) {
      const Answered crowd = answer(backend, policy.get(), tiny_batch(examples, 24), threshold);
      if (std::get<0>(at::_unique(crowd.exit_layer)).size(0) < 2) continue;
      found = true;
      for (int64_t row = 0; row < 24; ++row) {
        const std::vector<int64_t> one = {row};
        const Answered alone = answer(backend, policy.get(), make_batch(examples, one), threshold);
        EXPECT_EQ(alone.exit_layer.item<int64_t>(), crowd.exit_layer[row].item<int64_t>());
        EXPECT_LE(max_gap(alone.logits[0], crowd.logits[row]), 1e-5);
      }
      break;
    }
    EXPECT_TRUE(found) << entry.name;
  }
}

TEST(PrecisionLaw, RoundingTwiceIsRoundingOnce) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    for (const Model& model : models_of_many_shapes()) {
      const Model once = as_stored(model, precision);
      EXPECT_EQ(weights_digest(once.tensors()),
                weights_digest(as_stored(once, precision).tensors()));
    }
  }
}

absl::Status stored_with(float value, Precision precision) {
  Model model = tiny_model();
  model.layers[1].up.weight[2][3] = value;
  return guard("storing", [&] { as_stored(model, precision); });
}

TEST(PrecisionLaw, WhatIsNotFiniteIsRefusedByName) {
  for (const Precision precision : {Precision::kFp32, Precision::kBf16, Precision::kInt8}) {
    for (const float value : {NAN, INFINITY}) {
      const absl::Status status = stored_with(value, precision);
      EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
      EXPECT_NE(status.message().find("layers.1.ffn.up.weight: 1 of its 384"), std::string::npos)
          << status;
    }
  }
}

// bf16 rounds fp32's largest number up to infinity, and so does the scale that int8 rounds up.
TEST(PrecisionLaw, WhatWouldNotBeFiniteIsRefused) {
  EXPECT_TRUE(stored_with(3.4028235e38F, Precision::kFp32).ok());
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    const absl::Status status = stored_with(3.4028235e38F, precision);
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_NE(status.message().find(absl::StrCat("infinite in ", precision_name(precision))),
              std::string::npos)
        << status;
  }
}

// bf16 has 8 significant bits: 1 part in 500 a rounding.
TEST(PrecisionLaw, Bf16IsNearFp32) {
  const Model stored = as_stored(tiny_model(), Precision::kBf16);
  const runtime::Plan exact_plan = runtime::make_plan(stored),
                      half_plan = runtime::make_plan(stored, Precision::kBf16);
  runtime::PackedBackend exact(exact_plan), half(half_plan);
  const Batch batch = tiny_batch(tiny_examples(20, 3), 20);
  const double gap = distance(last_states(half, batch), last_states(exact, batch));
  EXPECT_GT(gap, 1e-4);
  EXPECT_LE(gap, 0.05);
}

// The twin rounds what a product comes to as well, which is another part in 500 each.
TEST(PrecisionLaw, PanelsOfBf16AreNearerToFp32ThanTheTwin) {
  if (!has_halves()) GTEST_SKIP() << "no AVX512_BF16, or AMX, which oneDNN has the better of";
  double twins = 0, panels = 0;
  for (const Model& model : models_of_many_shapes()) {
    const Model stored = as_stored(model, Precision::kBf16);
    const runtime::Plan exact_plan = runtime::make_plan(stored),
                        twin_plan = runtime::make_plan(stored, Precision::kBf16);
    const runtime::FusedPlan plan = runtime::make_fused_plan(stored, Precision::kBf16);
    for (const auto& layer : plan.layers) EXPECT_TRUE(layer.has_value());
    runtime::PackedBackend exact(exact_plan), twin(twin_plan);
    runtime::FusedBackend fused(plan);
    for (const int rows : {9, 40}) {
      const Batch batch = tiny_batch(tiny_examples(rows, 3), rows);
      const Tensor expected = last_states(exact, batch);
      panels += distance(last_states(fused, batch), expected);
      twins += distance(last_states(twin, batch), expected);
    }
  }
  EXPECT_GT(panels, 1e-4);
  EXPECT_LT(panels, twins);
}

TEST(PrecisionLaw, Bf16IsComputedInFp32WhereItWouldBeEmulated) {
  const Precision half = multiplies_bf16(at::kCPU) ? Precision::kBf16 : Precision::kFp32;
  EXPECT_EQ(runtime::products_of(Precision::kBf16, at::kCPU), half);
  EXPECT_EQ(runtime::products_of(Precision::kInt8, at::kCPU), Precision::kInt8);
}

class SavedInAPrecision : public ::testing::Test {
 protected:
  SavedInAPrecision() {
    EXPECT_TRUE(make_folders(folder_).ok());
    EXPECT_TRUE(write_file(folder_ + "/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nw\n").ok());
    golden_.inputs.push_back(tiny_examples(1).input(0).copy());
    golden_.logits = at::zeros({1, 3});
    spec_.task = "text-classification";
    spec_.label_names = {"a", "b", "c"};
    spec_.max_length = 32;
  }
  std::string save(const Model& model, Precision precision) {
    spec_.precision = precision;
    const std::string out = folder_ + "/" + precision_name(precision);
    const absl::Status saved = save_artifact(out, model, spec_, folder_, golden_);
    EXPECT_TRUE(saved.ok()) << saved;
    return out;
  }

  const std::string folder_ = ::testing::TempDir() + "/espalier_precisions";
  Golden golden_;
  ArtifactSpec spec_;
};

TEST_F(SavedInAPrecision, AnArtifactHoldsItsRoundedModelToTheBit) {
  for (const Precision precision : {Precision::kBf16, Precision::kInt8}) {
    for (const Model& model : models_of_many_shapes()) {
      const auto loaded = load_artifact(save(model, precision));
      ASSERT_TRUE(loaded.ok()) << loaded.status();
      EXPECT_EQ(loaded->spec.precision, precision);
      EXPECT_EQ(weights_digest(loaded->model.tensors()),
                weights_digest(as_stored(model, precision).tensors()));
    }
  }
}

// The layers' linear layers have 5,376 weights: bf16 saves 10,752 bytes of them, and int8 16,128
// less 1,248 for the scales and some for the names of these.
TEST_F(SavedInAPrecision, FewerBitsAreFewerBytes) {
  auto bytes = [&](Precision precision) {
    return std::filesystem::file_size(save(tiny_model(), precision) + "/model.safetensors");
  };
  EXPECT_LT(bytes(Precision::kBf16) + 10'000, bytes(Precision::kFp32));
  EXPECT_LT(bytes(Precision::kInt8) + 1'000, bytes(Precision::kBf16));
}

// Changes a field of espalier.json and loads.
absl::Status loaded_with(const std::string& folder, const char* field, const Json& value) {
  Json spec = *read_json(folder + "/espalier.json");
  spec[field] = value;
  EXPECT_TRUE(write_file(folder + "/espalier.json", spec.dump()).ok());
  return load_artifact(folder).status();
}

TEST_F(SavedInAPrecision, AnUnknownPrecisionIsRefused) {
  const absl::Status status =
      loaded_with(save(tiny_model(), Precision::kInt8), "precision", "int4");
  EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
  EXPECT_NE(std::string(status.message()).find("\"int4\"; known: fp32, bf16, int8"),
            std::string::npos);
}

TEST_F(SavedInAPrecision, BuildsThatReadFp32OnlyAreToldByTheFormat) {
  for (const auto& [precision, format] :
       {std::pair{Precision::kFp32, 1}, {Precision::kBf16, 2}, {Precision::kInt8, 2}}) {
    const std::string out = save(tiny_model(), precision);
    EXPECT_EQ((*read_json(out + "/espalier.json"))["format"], format);
    EXPECT_TRUE(loaded_with(out, "format", 1).ok());
  }
  const absl::Status newer = loaded_with(save(tiny_model(), Precision::kInt8), "format", 3);
  EXPECT_NE(std::string(newer.message()).find("has format 3; this build reads formats 1 and 2"),
            std::string::npos)
      << newer;
}

TEST_F(SavedInAPrecision, WeightsThatAreMissingAreNamed) {
  const std::string out = save(tiny_model(), Precision::kFp32);
  std::filesystem::remove(out + "/model.safetensors");
  const absl::Status status = load_artifact(out).status();
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_NE(std::string(status.message()).find(out + "/model.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace espalier
