// One inference, whatever brought it: from the request over the model's queue to the answer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <vector>

#include "server/serving/infer_request.h"
#include "server/serving/model_repository.h"
#include "server/serving/protocol.h"

namespace espalier::server {

class InferTask : public std::enable_shared_from_this<InferTask> {
 public:
  // Whether nobody waits for the answer any more; asked while the inputs are read.
  using Gone = std::function<bool()>;

  // Parses and tokenises on the calling thread and puts the rows into the model's queue. `answered`
  // is called once: here for what is refused, else on the model's thread. `gone` may be null.
  // `metrics` outlives the task.
  static std::shared_ptr<Protocol::Call> start(inference::ModelInferRequest request,
                                               runtime::TimePoint deadline,
                                               Protocol::Answered answered, const Gone& gone,
                                               const ModelRepository& repository, Metrics& metrics);

 private:
  InferTask(inference::ModelInferRequest request, runtime::TimePoint deadline,
            Protocol::Answered answered, Metrics& metrics);

  // After OK another thread may answer at any time: touch nothing.
  absl::Status begin(const ModelRepository& repository, const Gone& gone);
  absl::Status submit(Model& model, EncodedRequest encoded);
  void answer(const absl::StatusOr<runtime::BatchedAnswer>& batched, bool truncated);
  absl::Status write(const runtime::BatchedAnswer& batched, bool truncated,
                     inference::ModelInferResponse* response) const;
  void fail(const absl::Status& status);
  // The caller's, or where the request's `timeout` ends.
  runtime::TimePoint deadline() const;
  // CANCELLED or DEADLINE_EXCEEDED once nobody waits for the answer.
  absl::Status go_on(const Gone& gone) const;

  const inference::ModelInferRequest request_;
  const runtime::TimePoint deadline_;
  const Protocol::Answered answered_;
  Metrics& metrics_;
  const runtime::TimePoint start_ = std::chrono::steady_clock::now();
  const std::shared_ptr<std::atomic<bool>> cancelled_ = std::make_shared<std::atomic<bool>>(false);

  // Of the model that answers; kept instead of the model itself, because the answer comes on the
  // model's own thread, which must not be the one that ends it.
  std::shared_ptr<const ModelCard> card_;
  std::shared_ptr<ModelRecorder> recorder_;
  std::vector<WantedOutput> outputs_;
  std::vector<ReadRow> read_;  // empty for ids
  InferParameters parameters_;
  RequestTimes times_;
};

}  // namespace espalier::server
