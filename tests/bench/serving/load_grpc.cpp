#include "tests/bench/serving/load_grpc.h"

#include <grpcpp/grpcpp.h>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstring>
#include <map>
#include <optional>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "core/base/status_macros.h"
#include "inference/grpc_service.grpc.pb.h"
#include "server/common/status.h"
#include "server/serving/rest/infer_json.h"

namespace espalier::load {

namespace asio = boost::asio;
using Stub = inference::GRPCInferenceService::Stub;

struct GrpcLanes::Shared {
  Shared(asio::io_context& io, const GrpcTarget& target, const std::vector<Body>& bodies)
      : io(io), target(target), bodies(bodies) {}

  asio::io_context& io;
  const GrpcTarget target;
  const std::vector<Body>& bodies;
  std::vector<inference::ModelInferRequest> requests;  // by body
  std::map<int, std::shared_ptr<Stub>> stubs;          // by channel
  int lanes = 0;
  grpc::CompletionQueue queue;
  std::thread waiter;
};

namespace {

std::shared_ptr<Stub> connect(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // a connection of its own
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetMaxReceiveMessageSize(64 << 20);
  return inference::GRPCInferenceService::NewStub(
      grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments));
}

template <class T>
Json numbers(const std::string& raw) {
  std::vector<T> values(raw.size() / sizeof(T));
  if (!values.empty()) std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  return values;
}

Json first_tensor(const inference::ModelInferResponse& response) {
  if (response.outputs().empty() || response.raw_output_contents().empty()) return {};
  const std::string &type = response.outputs(0).datatype(), &raw = response.raw_output_contents(0);
  if (type == "FP32") return numbers<float>(raw);
  if (type == "INT32") return numbers<int32_t>(raw);
  if (type == "INT64") return numbers<int64_t>(raw);
  return {};
}

// Owned by the completion queue from its start to its tag.
struct Call {
  grpc::ClientContext context;
  inference::ModelInferResponse response;
  grpc::Status status;
  std::unique_ptr<grpc::ClientAsyncResponseReader<inference::ModelInferResponse>> reader;
  std::function<void(Call&)> ended;  // on the I/O's thread
};

void wait_for_calls(GrpcLanes::Shared& shared) {
  void* tag = nullptr;
  bool ok = false;
  while (shared.queue.Next(&tag, &ok)) {
    asio::post(shared.io, [call = std::shared_ptr<Call>(static_cast<Call*>(tag))] {
      if (call->ended) call->ended(*call);
    });
  }
}

class GrpcLane : public Lane {
 public:
  GrpcLane(GrpcLanes::Shared& shared, std::shared_ptr<Stub> stub)
      : shared_(shared), stub_(std::move(stub)), patience_(shared.io) {}

  ~GrpcLane() override {
    if (call_ == nullptr) return;  // of a run that was cut short
    call_->ended = nullptr;
    call_->context.TryCancel();
  }

  void ask(const Ask& ask, std::function<void(Result)> done) override {
    ask_ = ask;
    done_ = std::move(done);
    call_ = new Call;
    call_->context.set_deadline(std::chrono::system_clock::now() + shared_.target.timeout);
    call_->ended = [this](Call& call) { ended(call); };
    call_->reader =
        stub_->PrepareAsyncModelInfer(&call_->context, shared_.requests[ask.body], &shared_.queue);
    call_->reader->StartCall();
    call_->reader->Finish(&call_->response, &call_->status, call_);
    if (ask.fate == Fate::kAnswer) return;
    patience_.expires_after(ask.fate == Fate::kDie ? std::chrono::microseconds() : ask.patience);
    patience_.async_wait([call = call_, this](boost::system::error_code error) {
      if (!error && call == call_) call->context.TryCancel();
    });
  }

 private:
  void ended(Call& call) {
    call_ = nullptr;
    patience_.cancel();
    Result result{.outcome = outcome_of(call.status), .answered = call.status.ok()};
    result.no_server = call.status.error_code() == grpc::StatusCode::UNAVAILABLE &&
                       call.status.error_message().find("connect") != std::string::npos;
    if (result.no_server) result.outcome = "no connection";
    if (ask_.fate == Fate::kDie) stub_ = connect(shared_.target.address);
    if (result.answered && !shared_.bodies[ask_.body].expected.is_null())
      result.found = first_tensor(call.response);
    std::exchange(done_, nullptr)(std::move(result));
  }

  std::string outcome_of(const grpc::Status& status) const {
    const bool ours = ask_.fate != Fate::kAnswer;
    if (status.error_code() == grpc::StatusCode::CANCELLED && ours)
      return ask_.fate == Fate::kDie ? "died" : "cancelled";
    // gRPC's own words; a server's deadline, which the parameter `timeout` sets, has a sentence.
    if (status.error_code() == grpc::StatusCode::DEADLINE_EXCEEDED &&
        status.error_message() == "Deadline Exceeded")
      return "timeout";
    return server::code_name(static_cast<absl::StatusCode>(status.error_code()));
  }

  GrpcLanes::Shared& shared_;
  std::shared_ptr<Stub> stub_;
  asio::steady_timer patience_;
  Call* call_ = nullptr;
  Ask ask_;
  std::function<void(Result)> done_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcLanes>> GrpcLanes::make(asio::io_context& io,
                                                           const GrpcTarget& target,
                                                           const std::vector<Body>& bodies) {
  auto shared = std::make_unique<Shared>(io, target, bodies);
  for (size_t i = 0; i < bodies.size(); ++i) {
    auto parsed = server::parse_infer_body(bodies[i].json, std::nullopt);
    if (!parsed.ok()) {
      return absl::Status(parsed.status().code(),
                          absl::StrCat("body ", i + 1, " is none of the protocol's: ",
                                       std::string(parsed.status().message())));
    }
    parsed->request.set_model_name(target.model);
    shared->requests.push_back(std::move(parsed->request));
  }
  return std::unique_ptr<GrpcLanes>(new GrpcLanes(std::move(shared)));
}

GrpcLanes::GrpcLanes(std::unique_ptr<Shared> shared) : shared_(std::move(shared)) {
  shared_->waiter = std::thread([raw = shared_.get()] { wait_for_calls(*raw); });
}

GrpcLanes::~GrpcLanes() {
  shared_->queue.Shutdown();
  shared_->waiter.join();
}

std::unique_ptr<Lane> GrpcLanes::lane() {
  const int number = shared_->lanes++;
  const int channel = shared_->target.channels > 0 ? number % shared_->target.channels : number;
  std::shared_ptr<Stub>& stub = shared_->stubs[channel];
  if (stub == nullptr) stub = connect(shared_->target.address);
  return std::make_unique<GrpcLane>(*shared_, stub);
}

}  // namespace espalier::load
