// One ModelStreamInfer call of gRPC: requests come one after the other, each is answered on its
// own, and the answers leave in the order of the requests, as Triton's do for models with one
// response a request: clients tell them apart by their order as well as by their ids.
//
// A request that fails is answered with error_message, and the stream lives on; a caller that sends
// the metadata `triton_grpc_error: true` gets the status instead, and the end of the stream. Who
// sends faster than the model answers is not read from (kMaxUnanswered, kMaxUnansweredBytes), and
// who does not read what he asked for gets errors instead of answers (kMaxUnwrittenBytes), so that
// a stream holds bounded memory.
#pragma once

#include <grpcpp/grpcpp.h>

#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <set>

#include "server/common/serve.h"
#include "server/serving/repository_protocol.h"

namespace espalier::server {

class StreamCall;

// The streams that are open.
class OpenStreams {
 public:
  // Ends each with UNAVAILABLE once what it has read is answered; later ones at once.
  void drain();

 private:
  friend class StreamCall;
  bool add(StreamCall* stream);  // false while draining
  void remove(StreamCall* stream);

  std::mutex mutex_;
  bool draining_ = false;
  std::set<StreamCall*> streams_;
};

class StreamCall final : public grpc::ServerBidiReactor<inference::ModelInferRequest,
                                                        inference::ModelStreamInferResponse> {
 public:
  static constexpr size_t kMaxUnanswered = 64;
  static constexpr size_t kMaxUnansweredBytes = 64 << 20;  // of requests; one may exceed it

  // Of answers behind the one that is written next, which may have any size itself.
  static constexpr size_t kMaxUnwrittenBytes = 512 << 20;

  // The object finishes the call; all others outlive it.
  static StreamCall* start(grpc::CallbackServerContext* context, RepositoryProtocol& protocol,
                           Metrics& metrics, OpenStreams& open,
                           size_t max_unwritten_bytes = kMaxUnwrittenBytes);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;
  void drain();

 private:
  // A request from its reading until its answer is written.
  struct Slot {
    size_t bytes = 0;
    std::shared_ptr<Protocol::Call> call;  // until it is answered
    bool answered = false;
    absl::Status status;
    inference::ModelStreamInferResponse response;
    size_t unwritten = 0;  // bytes of the response
  };

  StreamCall(grpc::CallbackServerContext* context, RepositoryProtocol& protocol, Metrics& metrics,
             OpenStreams& open, size_t max_unwritten_bytes);
  std::shared_ptr<Protocol::Call> ask(const std::shared_ptr<Slot>& slot);
  void answer(Slot& slot, absl::Status status, inference::ModelInferResponse response,
              const std::string& id);
  // With mutex_ held: starts what may start now, writing, reading or the end.
  void go_on();
  void end(absl::Status status);  // with mutex_ held
  bool has_room() const;

  grpc::CallbackServerContext* const context_;
  RepositoryProtocol& protocol_;
  OpenStreams& open_;
  const size_t max_unwritten_bytes_;
  RpcTimer timer_;
  const std::chrono::steady_clock::time_point deadline_;
  const bool status_on_error_;
  std::shared_ptr<StreamCall>
      self_;  // until gRPC is done with it; answers on their way hold it too
  inference::ModelInferRequest request_;  // that is being read

  std::mutex mutex_;
  std::deque<std::shared_ptr<Slot>> slots_;  // in order of arrival
  size_t bytes_ = 0, unwritten_ = 0;         // of the requests and the answers in slots_
  bool reading_ = false, writing_ = false;   // writing: the front of slots_
  bool closed_ = false;                      // the caller sends no more
  bool draining_ = false;
  std::optional<absl::Status> end_;  // how it ends, once that is known
  bool finished_ = false;
};

}  // namespace espalier::server
