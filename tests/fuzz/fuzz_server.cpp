#include "tests/fuzz/fuzz_server.h"

#include <spdlog/spdlog.h>

#include <cstring>
#include <map>
#include <memory>

#include "server/common/status.h"
#include "server/serving/tensors.h"
#include "tests/fuzz/fuzz_target.h"
#include "tests/fuzz/inbox.h"

namespace espalier::fuzz {
namespace {

using Reply = absl::StatusOr<inference::ModelInferResponse>;

struct Served {
  const char* task;
  std::vector<std::string> labels;
};

const std::map<std::string, Served>& served() {
  static const std::map<std::string, Served> all = {
      {"class", {"text-classification", {"negative", "positive", "a:b|c"}}},
      {"value", {"regression", {}}},
      {"labels", {"multi-label-classification", {"toxic", "rude"}}},
      {"tags", {"token-classification", {"O", "B-PER", "I-PER"}}},
      {"words", {"fill-mask", {}}},
      {"span", {"question-answering", {}}},
      {"span2", {"question-answering", {kNoAnswer}}},
      {"image", {"image-classification", {"cat", "dog"}}}};
  return all;
}

// Bytes of an element, 0 for BYTES.
size_t size_of(const std::string& datatype) {
  if (datatype == "FP32" || datatype == "INT32") return 4;
  promise(datatype == "BYTES", "outputs are FP32, INT32 or BYTES");
  return 0;
}

int64_t count_texts(std::string_view raw) {
  int64_t count = 0;
  while (!raw.empty()) {
    uint32_t size = 0;
    promise(raw.size() >= sizeof(size), "an element has its length");
    std::memcpy(&size, raw.data(), sizeof(size));
    promise(raw.size() - sizeof(size) >= size, "an element is as long as it says");
    raw.remove_prefix(sizeof(size) + size);
    ++count;
  }
  return count;
}

void check_output(const inference::ModelInferResponse::InferOutputTensor& output,
                  const std::string& raw) {
  int64_t count = 1;
  for (const int64_t size : output.shape()) {
    promise(size >= 0, "sizes are not negative");
    count *= size;
  }
  const size_t width = size_of(output.datatype());
  const int64_t found = width == 0 ? count_texts(raw) : static_cast<int64_t>(raw.size() / width);
  promise(found == count && (width == 0 || raw.size() % width == 0),
          "an output holds what its shape says");
}

}  // namespace

FuzzServer::FuzzServer()
    : repository_([this](const std::string& name, const server::DesiredRoute& route)
                      -> absl::StatusOr<std::shared_ptr<server::Model>> {
        const auto found = served().find(name);
        if (found == served().end()) return absl::DataLossError("its files are damaged");
        const Served& what = found->second;
        return server::Model::make(name, route.version(),
                                   fuzz_engine(what.task, what.labels, tokenizer_), options_,
                                   executor_, metrics_, labels_);
      }) {
  spdlog::set_level(spdlog::level::off);
  watch_protobuf();
  std::vector<server::DesiredModel> desired;
  for (const auto& [name, what] : served()) desired.push_back({name, {{"stable", "x/one"}}});
  desired.push_back({"absent", {{"stable", "x/one"}}});
  promise(repository_.apply(desired) == 1, "every model loads but one");
  protocol_.set_ready(true);
}

absl::StatusOr<inference::ModelInferResponse> FuzzServer::ask(
    const inference::ModelInferRequest& request, Deadline deadline, bool cancel) {
  const auto inbox = std::make_shared<Inbox<Reply>>();
  const auto call = protocol_.infer(
      request, deadline, [inbox](absl::Status status, inference::ModelInferResponse response) {
        inbox->put(status.ok() ? Reply(std::move(response)) : Reply(std::move(status)));
      });
  if (cancel && call != nullptr) call->cancel();
  Reply answer = inbox->wait();
  if (answer.ok()) {
    check_answer(request, *answer);
  } else {
    check_refusal(answer.status());
  }
  return answer;
}

FuzzServer& fuzz_server() {
  static FuzzServer server;
  return server;
}

void check_answer(const inference::ModelInferRequest& request,
                  const inference::ModelInferResponse& response) {
  promise(response.model_name() == request.model_name(), "the answer names the model");
  promise(response.model_version() == "one", "the answer names the version");
  promise(response.id() == request.id(), "the answer has the request's id");
  promise(response.parameters().contains("truncated"), "the answer says whether it was cut");
  promise(response.outputs_size() == response.raw_output_contents_size(),
          "every output has contents");
  promise(request.outputs().empty() || request.outputs_size() == response.outputs_size(),
          "the answer has the outputs that were asked for");
  for (int i = 0; i < response.outputs_size(); ++i) {
    const auto& output = response.outputs(i);
    promise(request.outputs().empty() || request.outputs(i).name() == output.name(),
            "outputs come in the order of the request");
    promise(output.shape_size() > 0 && output.shape(0) == response.outputs(0).shape(0),
            "outputs have the same rows");
    check_output(output, response.raw_output_contents(i));
  }
  response.SerializeAsString();  // see watch_protobuf
}

void check_refusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kUnimplemented:
    case absl::StatusCode::kDeadlineExceeded:
    case absl::StatusCode::kCancelled:
      break;
    default:
      broken("the code is a documented one: " + status.ToString());
  }
  promise(!status.message().empty(), "a refusal says why");
  const grpc::Status wire = server::to_grpc(status);
  promise(wire.error_message().size() <= 1024 && wire.error_details().size() <= 3500,
          "a refusal fits into gRPC's trailers");
  promise(server::from_grpc(wire).code() == status.code(), "the code survives the wire");
}

}  // namespace espalier::fuzz
