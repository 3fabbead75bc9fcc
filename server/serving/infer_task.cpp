#include "server/serving/infer_task.h"

#include <algorithm>
#include <utility>

#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "server/serving/classification.h"

namespace espalier::server {
namespace {

using SteadyClock = std::chrono::steady_clock;

// What the caller holds: the flag alone, so that it may be dropped at any time.
class Cancellation : public Protocol::Call {
 public:
  explicit Cancellation(std::shared_ptr<std::atomic<bool>> flag) : flag_(std::move(flag)) {}
  ~Cancellation() override { flag_->store(true); }
  void cancel() override { flag_->store(true); }

 private:
  const std::shared_ptr<std::atomic<bool>> flag_;
};

}  // namespace

std::shared_ptr<Protocol::Call> InferTask::start(inference::ModelInferRequest request,
                                                 runtime::TimePoint deadline,
                                                 Protocol::Answered answered, const Gone& gone,
                                                 const ModelRepository& repository,
                                                 Metrics& metrics) {
  const std::shared_ptr<InferTask> task(
      new InferTask(std::move(request), deadline, std::move(answered), metrics));
  const absl::Status status =
      guard("preparing an inference request", [&] { return task->begin(repository, gone); });
  if (!status.ok()) task->fail(status);
  return std::make_shared<Cancellation>(task->cancelled_);
}

InferTask::InferTask(inference::ModelInferRequest request, runtime::TimePoint deadline,
                     Protocol::Answered answered, Metrics& metrics)
    : request_(std::move(request)),
      deadline_(deadline),
      answered_(std::move(answered)),
      metrics_(metrics) {}

absl::Status InferTask::begin(const ModelRepository& repository, const Gone& gone) {
  constexpr int kAttempts = 3;
  for (int attempt = 1;; ++attempt) {
    ESPALIER_ASSIGN_OR_RETURN(const std::shared_ptr<Model> model,
                              repository.find(request_.model_name(), request_.model_version()));
    card_ = model->card();
    recorder_ = model->recorder();
    const SteadyClock::time_point start = SteadyClock::now();
    ESPALIER_ASSIGN_OR_RETURN(ParsedRequest parsed, parse_infer_request(request_, card_->info));
    outputs_ = parsed.outputs;
    parameters_ = parsed.parameters;
    absl::Status status = model->check(parameters_.priority, deadline());
    if (status.ok()) {
      ESPALIER_ASSIGN_OR_RETURN(
          EncodedRequest encoded,
          encode_request(std::move(parsed), model->engine(), [&] { return go_on(gone); }));
      times_.encode = SteadyClock::now() - start;
      status = submit(*model, std::move(encoded));
    }
    // A model that was just replaced refuses; its successor is in the snapshot by then.
    if (status.ok() || !model->draining() || attempt == kAttempts) return status;
  }
}

absl::Status InferTask::submit(Model& model, EncodedRequest encoded) {
  runtime::BatcherRequest request;
  request.rows = std::move(encoded.rows);
  read_ = std::move(encoded.read);
  request.priority = parameters_.priority;
  request.deadline = deadline();
  request.cancelled = cancelled_;
  request.done = [self = shared_from_this(), truncated = encoded.truncated](
                     const absl::StatusOr<runtime::BatchedAnswer>& batched) {
    self->answer(batched, truncated);
  };
  return model.submit(std::move(request));
}

void InferTask::answer(const absl::StatusOr<runtime::BatchedAnswer>& batched, bool truncated) {
  if (!batched.ok()) return fail(batched.status());
  const SteadyClock::time_point ran = SteadyClock::now();
  inference::ModelInferResponse response;
  const absl::Status written =
      guard("writing the answer", [&] { return write(*batched, truncated, &response); });
  if (!written.ok()) return fail(written);
  const SteadyClock::time_point end = SteadyClock::now();
  times_.queue = batched->queue;
  times_.compute = batched->compute;
  times_.respond = end - ran;
  times_.total = end - start_;
  // An answer that cannot be counted is an answer still.
  (void)guard("counting an answer", [&] {
    recorder_->request_succeeded(read_.empty() ? batched->answers.size() : read_.size(),
                                 batched->answers, times_);
  });
  answered_(absl::OkStatus(), std::move(response));
}

absl::Status InferTask::write(const runtime::BatchedAnswer& batched, bool truncated,
                              inference::ModelInferResponse* response) const {
  ESPALIER_RETURN_IF_ERROR(check_answers(batched.answers, read_));
  response->set_id(request_.id());
  fill_response(*card_, names_of_outputs(outputs_), batched.answers, truncated, response, read_);
  for (size_t i = 0; i < outputs_.size(); ++i) {
    const auto index = static_cast<int>(i);
    if (outputs_[i].classes > 0) {
      rank_classes(card_->info.label_names, outputs_[i].classes, response->mutable_outputs(index),
                   response->mutable_raw_output_contents(index));
    }
  }
  return absl::OkStatus();
}

void InferTask::fail(const absl::Status& status) {
  times_.total = SteadyClock::now() - start_;
  (void)guard("counting a failure", [&] {
    if (recorder_ != nullptr) {
      recorder_->request_failed(status.code(), times_);
    } else {
      count_request(metrics_, "unknown", status.code());
    }
  });
  answered_(status, {});
}

runtime::TimePoint InferTask::deadline() const {
  if (!parameters_.timeout.has_value()) return deadline_;
  return std::min(deadline_, start_ + runtime::Duration(*parameters_.timeout));
}

absl::Status InferTask::go_on(const Gone& gone) const {
  if (gone && gone()) {
    return absl::CancelledError("the caller cancelled the request while its inputs were read");
  }
  if (SteadyClock::now() >= deadline()) {
    return absl::DeadlineExceededError("the request's time ran out while its inputs were read");
  }
  return absl::OkStatus();
}

}  // namespace espalier::server
