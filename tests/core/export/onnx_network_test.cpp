#include "core/export/onnx_network.h"

#include <set>

#include "core/export/onnx_model.pb.h"
#include "tests/core/export/tiny_artifact.h"

namespace espalier {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;
using testing::Scratch;

// The model as a reader of the file sees it.
struct Read {
  Read(const ModelConfig& config, bool exits, const std::string& task, bool beside = false) {
    OnnxGraph graph(beside ? scratch.path() + "/model.onnx.data" : "");
    add_network(testing::tiny_artifact(scratch, config, task), exits, graph);
    inputs = graph.inputs();
    outputs = graph.outputs();
    EXPECT_TRUE(graph.write(scratch.path() + "/model.onnx").ok());
    EXPECT_TRUE(model.ParseFromString(*read_file(scratch.path() + "/model.onnx")));
    for (const auto& node : model.graph().node()) nodes.push_back(node.name());
  }
  const onnx::TensorProto& weight(const std::string& name) const {
    for (const auto& tensor : model.graph().initializer()) {
      if (tensor.name() == name) return tensor;
    }
    ADD_FAILURE() << "no weight " << name;
    return model.graph().initializer(0);
  }

  Scratch scratch;
  onnx::ModelProto model;
  std::vector<std::string> inputs, outputs, nodes;
};

Read read(const ModelConfig& config, bool exits = false,
          const std::string& task = "text-classification") {
  return Read(config, exits, task);
}

std::vector<int64_t> dims(const onnx::TensorProto& tensor) {
  return {tensor.dims().begin(), tensor.dims().end()};
}

TEST(OnnxNetwork, NamesInputsAndOutputsAsOthersDo) {
  const Read model = read(testing::tiny_config());
  EXPECT_THAT(model.inputs, ElementsAre("input_ids", "attention_mask", "token_type_ids"));
  EXPECT_THAT(model.outputs, ElementsAre("logits"));
  const auto& shape = model.model.graph().input(0).type().tensor_type().shape();
  EXPECT_EQ(shape.dim(0).dim_param(), "batch_size");
  EXPECT_EQ(shape.dim(1).dim_param(), "sequence_length");
  EXPECT_EQ(model.model.graph().output(0).type().tensor_type().shape().dim(1).dim_value(), 2);
}

TEST(OnnxNetwork, ReadsOnlyWhatStandsBeforeIt) {
  const Read model = read(testing::tiny_config());
  std::set<std::string> known;
  for (const auto& input : model.model.graph().input()) known.insert(input.name());
  for (const auto& tensor : model.model.graph().initializer()) known.insert(tensor.name());
  for (const auto& node : model.model.graph().node()) {
    for (const std::string& input : node.input()) EXPECT_EQ(known.count(input), 1u) << input;
    EXPECT_TRUE(known.insert(node.output(0)).second) << node.output(0) << " comes twice";
  }
}

TEST(OnnxNetwork, GivesEachLayerItsOwnSizes) {
  ModelConfig config = testing::tiny_config();
  config.layers[1] = {{1}, 4, 3};
  const Read model = read(config);
  EXPECT_THAT(dims(model.weight("layers.0.attention.query.weight.transposed")), ElementsAre(8, 8));
  EXPECT_THAT(dims(model.weight("layers.1.attention.query.weight.transposed")), ElementsAre(8, 4));
  EXPECT_THAT(dims(model.weight("layers.1.ffn.down.weight.transposed")), ElementsAre(3, 8));
}

// Row 0 of up is 0.01 .. 0.08: its largest number is 127, and of 0.01 it is 16.
TEST(OnnxNetwork, HasTheRoundedValuesOfInt8) {
  const ModelConfig config = testing::tiny_config();
  const Scratch scratch;
  testing::tiny_artifact(scratch, config);
  const std::string folder = scratch.path() + "/artifact";
  ASSERT_TRUE(testing::narrow_tiny(folder, config, 0).ok());
  const auto artifact = open_artifact(folder);
  ASSERT_TRUE(artifact.ok()) << artifact.status();
  const Values up = artifact->matrix("layers.0.ffn.up");
  EXPECT_FLOAT_EQ(up.data[0] / up.data[7], 16.0F / 127);
  OnnxGraph graph;
  add_network(*artifact, false, graph);
  ASSERT_TRUE(graph.write(scratch.path() + "/model.onnx").ok());
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(*read_file(scratch.path() + "/model.onnx")));
  const auto& all = model.graph().initializer();
  const auto found = std::find_if(all.begin(), all.end(), [](const auto& tensor) {
    return tensor.name() == "layers.0.ffn.up.weight.transposed";
  });
  ASSERT_NE(found, all.end());
  float first = 0;
  std::memcpy(&first, found->raw_data().data(), sizeof(first));
  EXPECT_EQ(first, up.data[0]);
}

TEST(OnnxNetwork, LeavesOutSubLayersThatAreGoneWithTheirNorms) {
  ModelConfig config = testing::tiny_config();
  config.layers[1] = {{}, 4, 6};
  const Read model = read(config);
  EXPECT_THAT(model.nodes, Contains("layers.0.attention.norm"));
  EXPECT_THAT(model.nodes, Not(Contains("layers.1.attention.norm")));
  EXPECT_THAT(model.nodes, Contains("layers.1.ffn.norm"));
}

TEST(OnnxNetwork, MultipliesByBothFactors) {
  ModelConfig config = testing::tiny_config();
  config.linears["layers.0.ffn.up"] = {LinearShape::Kind::kFactored, 2};
  const Read model = read(config);
  EXPECT_THAT(dims(model.weight("layers.0.ffn.up.down.weight.transposed")), ElementsAre(8, 2));
  EXPECT_THAT(dims(model.weight("layers.0.ffn.up.up.weight.transposed")), ElementsAre(2, 6));
}

TEST(OnnxNetwork, GivesAnOutputForEachExitThatServingAsks) {
  ModelConfig config = testing::tiny_config();
  for (int layer : {0, 1})  // nobody leaves behind the last layer
    config.heads.push_back({"exits." + std::to_string(layer), layer, "pooler_classifier", 5, 2});
  EXPECT_THAT(read(config, false).outputs, ElementsAre("logits"));
  const Read model = read(config, true);
  EXPECT_THAT(model.outputs, ElementsAre("exit_logits_1", "logits"));
  EXPECT_THAT(model.nodes, Contains("hidden_states_1"));
}

TEST(OnnxNetwork, HasTheTwoEndsOfAnAnswer) {
  ModelConfig config = testing::tiny_config();
  config.head = HeadKind::kToken;
  config.spans = true;
  config.pooler_width = 0;
  EXPECT_THAT(read(config, false, "question-answering").outputs,
              ElementsAre("start_logits", "end_logits"));
}

TEST(OnnxNetwork, SharesTheWordTableWithALanguageModelSHead) {
  ModelConfig config = testing::tiny_config();
  config.head = HeadKind::kMaskedLm;
  const Read model = read(config, false, "fill-mask");
  EXPECT_THAT(model.outputs, ElementsAre("logits", "next_sentence_logits"));
  int tables = 0;
  for (const auto& tensor : model.model.graph().initializer())
    tables += tensor.raw_data().size() == 10 * 8 * sizeof(float);
  EXPECT_EQ(tables, 1);
}

TEST(OnnxNetwork, PutsLargeWeightsBesideTheModel) {
  const Read model(testing::tiny_config(), false, "text-classification", true);
  const auto& tensor = model.weight("layers.1.ffn.up.bias");
  EXPECT_EQ(tensor.data_location(), onnx::TensorProto::EXTERNAL);
  EXPECT_FALSE(tensor.has_raw_data());
  EXPECT_EQ(tensor.external_data(0).value(), "model.onnx.data");
  const size_t offset = std::stoul(tensor.external_data(1).value());
  EXPECT_EQ(offset % 4096, 0u);
  const std::string data = *read_file(model.scratch.path() + "/model.onnx.data");
  float first = 0;
  ASSERT_LT(offset + sizeof(first), data.size());
  std::memcpy(&first, data.data() + offset, sizeof(first));
  EXPECT_EQ(first, 0.01f);
}

}  // namespace
}  // namespace espalier
