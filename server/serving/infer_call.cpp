#include "server/serving/infer_call.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <string>
#include <utility>

#include "core/base/guard.h"
#include "core/base/status_macros.h"

namespace espalier::server {
namespace {

using SteadyClock = std::chrono::steady_clock;

}  // namespace

grpc::ServerUnaryReactor* InferCall::start(grpc::CallbackServerContext* context,
                                           const inference::ModelInferRequest* request,
                                           inference::ModelInferResponse* response,
                                           const ModelRepository& repository, Metrics& metrics) {
  auto* call = new InferCall(context, request, response, metrics);
  const absl::Status status =
      guard("preparing an inference request", [&] { return call->begin(repository); });
  if (!status.ok()) call->fail(status);
  return call;
}

InferCall::InferCall(grpc::CallbackServerContext* context,
                     const inference::ModelInferRequest* request,
                     inference::ModelInferResponse* response, Metrics& metrics)
    : context_(context),
      request_(request),
      response_(response),
      metrics_(metrics),
      timer_("ModelInfer", metrics, context) {}

void InferCall::OnCancel() {
  cancelled_->store(true);
  spdlog::info("ModelInfer: the caller or its connection went before the answer");
}

absl::Status InferCall::begin(const ModelRepository& repository) {
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model,
                              repository.find(request_->model_name(), request_->model_version()));
    card_ = model->card();
    recorder_ = model->recorder();
    const SteadyClock::time_point start = SteadyClock::now();
    ESPALIER_ASSIGN_OR_RETURN(ParsedRequest parsed, parse_infer_request(*request_, card_->info));
    outputs_ = parsed.outputs;
    parameters_ = parsed.parameters;
    ESPALIER_ASSIGN_OR_RETURN(EncodedRequest encoded,
                              encode_request(std::move(parsed), model->engine(),
                                             [this, until = deadline()] { return go_on(until); }));
    times_.encode = SteadyClock::now() - start;
    const absl::Status status = submit(*model, std::move(encoded));
    // A model that was just replaced refuses; its successor is in the snapshot by then.
    if (status.ok() || !model->draining() || attempt == kAttempts) return status;
  }
}

absl::Status InferCall::submit(Model& model, EncodedRequest encoded) {
  runtime::BatcherRequest request;
  request.rows = std::move(encoded.rows);
  read_ = std::move(encoded.read);
  request.deadline = deadline();
  request.cancelled = cancelled_;
  request.done = [this,
                  truncated = encoded.truncated](absl::StatusOr<runtime::BatchedAnswer> batched) {
    answer(batched, truncated);
  };
  return model.submit(std::move(request));
}

void InferCall::answer(const absl::StatusOr<runtime::BatchedAnswer>& batched, bool truncated) {
  if (!batched.ok()) return fail(batched.status());
  const SteadyClock::time_point ran = SteadyClock::now();
  const absl::Status filled = guard("writing the answer", [&]() -> absl::Status {
    ESPALIER_RETURN_IF_ERROR(check_answers(batched->answers, read_));
    response_->set_id(request_->id());
    fill_response(*card_, outputs_, batched->answers, truncated, response_, read_);
    return absl::OkStatus();
  });
  if (!filled.ok()) return fail(filled);
  const SteadyClock::time_point end = SteadyClock::now();
  times_.queue = batched->queue;
  times_.compute = batched->compute;
  times_.respond = end - ran;
  times_.total = end - start_;
  recorder_->request_succeeded(read_.empty() ? batched->answers.size() : read_.size(),
                               batched->answers, times_);
  Finish(timer_.finish(absl::OkStatus()));
}

void InferCall::fail(const absl::Status& status) {
  times_.total = SteadyClock::now() - start_;
  if (recorder_ != nullptr) {
    recorder_->request_failed(status.code(), times_);
  } else {
    count_request(metrics_, "unknown", status.code());
  }
  Finish(timer_.finish(status));
}

runtime::TimePoint InferCall::deadline() const {
  runtime::TimePoint deadline = runtime::TimePoint::max();
  // The caller's deadline is wall time; beyond a day it is none.
  const auto left = context_->deadline() - std::chrono::system_clock::now();
  if (context_->deadline() < std::chrono::system_clock::time_point::max() &&
      left < std::chrono::hours(24)) {
    deadline = SteadyClock::now() + left;
  }
  if (parameters_.timeout.has_value()) {
    deadline = std::min(deadline, start_ + runtime::Duration(*parameters_.timeout));
  }
  return deadline;
}

absl::Status InferCall::go_on(runtime::TimePoint deadline) const {
  // OnCancel comes only when start() has returned.
  if (context_->IsCancelled()) {
    return absl::CancelledError("the caller cancelled the request while its inputs were read");
  }
  if (SteadyClock::now() >= deadline) {
    return absl::DeadlineExceededError("the request's time ran out while its inputs were read");
  }
  return absl::OkStatus();
}

}  // namespace espalier::server
