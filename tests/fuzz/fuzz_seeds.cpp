// The requests that fuzzing starts from, and the words it adds.
#include <string>
#include <vector>

#include "tests/fuzz/fuzz_server.h"
#include "tests/server/serving/infer_testing.h"

namespace espalier::fuzz {
namespace {

using inference::ModelInferRequest;

ModelInferRequest texts_for(const std::string& model, const std::vector<std::string>& texts,
                            const std::vector<std::string>& pairs = {}) {
  ModelInferRequest request;
  request.set_model_name(model);
  server::add_texts(request, texts);
  if (!pairs.empty()) server::add_texts(request, pairs, "text_pair");
  return request;
}

// Of fuzz_tokenizer(): [CLS] film [MASK] [SEP] plot [SEP], and a shorter row.
ModelInferRequest ids_for(const std::string& model, bool with_types) {
  ModelInferRequest request;
  request.set_model_name(model);
  server::add_integers(request, "input_ids", {2, 5, 4, 3, 6, 3, 2, 4, 3, 7, 3, 0}, 2);
  server::add_integers(request, "attention_mask", {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0}, 2);
  if (with_types)
    server::add_integers(request, "token_type_ids", {0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0}, 2);
  return request;
}

ModelInferRequest asking(ModelInferRequest request, const std::vector<std::string>& outputs,
                         int classes = 0) {
  for (const std::string& name : outputs) {
    auto* output = request.add_outputs();
    output->set_name(name);
    if (classes > 0) (*output->mutable_parameters())["classification"].set_int64_param(classes);
  }
  return request;
}

ModelInferRequest with_every_parameter() {
  ModelInferRequest request = texts_for("class", {"a great film", "", "plot"});
  request.set_id("seven");
  request.set_model_version("stable");
  auto& parameters = *request.mutable_parameters();
  parameters["exit_threshold"].set_double_param(0.25);
  parameters["max_exit_layer"].set_int64_param(2);
  parameters["timeout"].set_int64_param(60'000'000);
  parameters["priority"].set_uint64_param(1);
  parameters["sequence_id"].set_int64_param(0);
  parameters["sequence_start"].set_bool_param(false);
  parameters["triton_enable_empty_final_response"].set_bool_param(true);
  parameters["whose"].set_string_param("nobody's");
  return request;
}

ModelInferRequest raw_texts_for(const std::string& model) {
  ModelInferRequest request;
  server::add_raw_texts(request, {"a great film", "caf\xc3\xa9 \xff", ""});
  request.set_model_name(model);
  return request;
}

ModelInferRequest raw_ids() {
  ModelInferRequest request;
  request.set_model_name("tags");
  const std::vector<int32_t> ids = {2, 5, 3}, mask = {1, 1, 1};
  server::add_input(request, "input_ids", "INT32", {1, 3});
  server::add_input(request, "attention_mask", "INT32", {1, 3});
  request.add_raw_input_contents(server::raw_bytes(ids));
  request.add_raw_input_contents(server::raw_bytes(mask));
  return request;
}

ModelInferRequest pixels(bool raw) {
  ModelInferRequest request;
  request.set_model_name("image");
  auto& input = server::add_input(request, "pixels", "UINT8", {1, 3, 4, 4});
  if (raw) request.add_raw_input_contents(std::string(48, '\x7f'));
  for (uint32_t i = 0; !raw && i < 48; ++i) input.mutable_contents()->add_uint_contents(5 * i);
  return request;
}

// A grey PNG of 1 x 1 pixels, made with Python's zlib and struct.
const char kPng[] =
    "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0\x3a\x7e\x9b\x55"
    "\0\0\0\nIDAT\x78\x9c\x63\x68\0\0\0\x82\0\x81\x77\xcd\x72\xb6\0\0\0\0IEND\xae\x42\x60\x82";

ModelInferRequest image_file() {
  ModelInferRequest request;
  request.set_model_name("image");
  server::add_texts(request, {std::string(kPng, sizeof(kPng) - 1)}, "image");
  return request;
}

ModelInferRequest in_shared_memory() {
  ModelInferRequest request = texts_for("class", {"a"});
  (*request.mutable_inputs(0)->mutable_parameters())["shared_memory_region"].set_string_param("r");
  return request;
}

}  // namespace

std::vector<ModelInferRequest> seed_requests() {
  const std::vector<std::string> all = {"logits",     "probabilities", "label",
                                        "exit_layer", "confidence",    "answer"};
  const std::vector<std::string> question = {"who made the film ?", "what plot"};
  const std::vector<std::string> context = {
      "the great film was made by anna in a year that nobody remembers", "a plot"};
  std::vector<ModelInferRequest> seeds = {
      texts_for("class", {"a great film"}),
      with_every_parameter(),
      asking(texts_for("class", {"a", "b"}), all),
      raw_texts_for("class"),
      asking(texts_for("class", {"a", "b"}, {"c", "d"}), {"probabilities", "logits"}, 2),
      ids_for("class", true),
      texts_for("value", {"film", "plot"}),
      ids_for("value", false),
      asking(texts_for("labels", {"film", "plot"}), all),
      ids_for("labels", true),
      asking(texts_for("labels", {"film"}), {"logits"}, 1),
      texts_for("tags", {"anna made it", "b"}),
      ids_for("tags", true),
      raw_ids(),
      texts_for("words", {"a [MASK] film", "[MASK] [MASK]"}),
      asking(texts_for("words", {"a [MASK]"}, {"[MASK] b"}), {"logits", "answer", "label"}),
      ids_for("words", true),
      texts_for("span", question, context),
      texts_for("span2", question, context),
      asking(texts_for("span", question, context), all),
      ids_for("span", true),
      ids_for("span2", false),
      pixels(true),
      pixels(false),
      image_file(),
      texts_for("absent", {"a"}),
      texts_for("nobody", {"a"}),
      in_shared_memory()};
  return seeds;
}

const std::vector<std::string>& request_words() {
  static const std::vector<std::string> words = {"",
                                                 "class",
                                                 "value",
                                                 "labels",
                                                 "tags",
                                                 "words",
                                                 "span",
                                                 "span2",
                                                 "image",
                                                 "absent",
                                                 "stable",
                                                 "one",
                                                 "text",
                                                 "text_pair",
                                                 "input_ids",
                                                 "attention_mask",
                                                 "token_type_ids",
                                                 "pixels",
                                                 "logits",
                                                 "probabilities",
                                                 "label",
                                                 "exit_layer",
                                                 "confidence",
                                                 "answer",
                                                 "BYTES",
                                                 "INT64",
                                                 "INT32",
                                                 "UINT8",
                                                 "FP32",
                                                 "FP16",
                                                 "BOOL",
                                                 "classification",
                                                 "exit_threshold",
                                                 "max_exit_layer",
                                                 "timeout",
                                                 "priority",
                                                 "sequence_id",
                                                 "sequence_start",
                                                 "sequence_end",
                                                 "triton_enable_empty_final_response",
                                                 "triton_x",
                                                 "exit_treshold",
                                                 "shared_memory_region",
                                                 "binary_data",
                                                 "binary_data_size",
                                                 "binary_data_output",
                                                 "[MASK]",
                                                 "[CLS]",
                                                 "[SEP]",
                                                 "a film plot great",
                                                 "caf\xc3\xa9",
                                                 "\xe4\xb8\xad\xe6\x96\x87",
                                                 "\xf0\x9f\x98\x80"};
  return words;
}

}  // namespace espalier::fuzz
