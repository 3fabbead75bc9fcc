// Bytes as gRPC has them, through the parser, to the protocol: every request is answered once, with
// tensors that are what they say or with a documented code, and equal requests alike.
#include <functional>
#include <memory>

#include "tests/fuzz/byte_mutator.h"
#include "tests/fuzz/fuzz_server.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/message_mutator.h"

namespace espalier::fuzz {
namespace {

using inference::ModelInferRequest;

std::string run(std::string_view input) {
  FuzzServer& server = fuzz_server();
  ModelInferRequest request;
  if (!request.ParseFromArray(input.data(), static_cast<int>(input.size()))) return "no request";
  // Some come too late, and some are given up; the input says which, so that it can be run again.
  const size_t turn = std::hash<std::string_view>()(input) % 32;
  if (turn == 0) return kind_of(server.ask(request, Deadline::min()).status());
  if (turn == 1) return kind_of(server.ask(request, Deadline::max(), /*cancel=*/true).status());
  const auto answer = server.ask(request);
  if (turn < 6 && !request.parameters().contains("timeout")) {
    const auto again = server.ask(request);
    promise(again.status() == answer.status(), "equal requests are refused alike");
    promise(!answer.ok() || again->SerializeAsString() == answer->SerializeAsString(),
            "equal requests are answered alike");
  }
  if (!answer.ok()) return kind_of(answer.status());
  std::string kind = "OK " + request.model_name();
  for (const auto& output : answer->outputs()) kind += ' ' + output.name() + output.datatype();
  for (const auto& sent : request.inputs()) kind += ' ' + sent.name() + sent.datatype();
  return kind + (request.raw_input_contents().empty() ? "" : " raw");
}

// Makes an input's shape, datatype and contents fit each other, so that what comes behind the
// checks of shapes is tried too.
void refit(ModelInferRequest& request, Random& random) {
  if (request.inputs().empty()) return;
  const auto index = static_cast<int>(random.below(request.inputs_size()));
  auto& input = *request.mutable_inputs(index);
  const bool wide = input.name() == "input_ids" || input.name() == "attention_mask" ||
                    input.name() == "token_type_ids";
  const auto rows = static_cast<int64_t>(1 + random.below(4));
  const auto width = static_cast<int64_t>(wide ? 1 + random.below(16) : 1);
  input.clear_shape();
  input.add_shape(rows);
  if (wide) input.add_shape(width);
  input.clear_contents();
  auto& contents = *input.mutable_contents();
  input.set_datatype(wide ? "INT64" : "BYTES");
  for (int64_t i = 0; i < rows * width; ++i) {
    const auto number = static_cast<int64_t>(random.below(60));
    if (input.name() == "attention_mask") {
      contents.add_int64_contents(i % width == 0 || number > 5 ? 1 : 0);
    } else if (wide) {
      contents.add_int64_contents(input.name() == "token_type_ids" ? number % 2 : number);
    } else {
      contents.add_bytes_contents(
          mutate_bytes(any_of(request_words(), random), "a film", request_words(), 200, random));
    }
  }
}

std::string mutate(std::string_view input, Random& random) {
  ModelInferRequest request;
  if (!request.ParseFromArray(input.data(), static_cast<int>(input.size())))
    return std::string(input);
  if (random.below(4) == 0) refit(request, random);
  mutate_message(request, request_words(), random);
  return request.SerializeAsString();
}

}  // namespace

Target fuzz_target() {
  fuzz_server();
  Target target{.run = run, .mutate = mutate, .seeds = {}, .words = request_words()};
  for (const ModelInferRequest& seed : seed_requests())
    target.seeds.push_back(seed.SerializeAsString());
  return target;
}

}  // namespace espalier::fuzz
