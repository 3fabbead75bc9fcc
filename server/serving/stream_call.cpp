#include "server/serving/stream_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/serving/call_deadline.h"

namespace espalier::server {
namespace {

bool wants_status(const grpc::ServerContextBase& context) {
  const auto range = context.client_metadata().equal_range("triton_grpc_error");
  for (auto entry = range.first; entry != range.second; ++entry) {
    if (entry->second == "true") return true;
  }
  return false;
}

// Of a failure with the caller's id, so that it knows which request failed.
inference::ModelStreamInferResponse message_of(const absl::Status& status,
                                               inference::ModelInferResponse response,
                                               const std::string& id) {
  inference::ModelStreamInferResponse message;
  *message.mutable_infer_response() = std::move(response);
  if (!status.ok()) {
    message.mutable_infer_response()->set_id(id);
    message.set_error_message(to_grpc(status).error_message());
  }
  (*message.mutable_infer_response()->mutable_parameters())["triton_final_response"].set_bool_param(
      true);
  return message;
}

absl::Status too_much_unwritten(size_t waiting, size_t bytes, size_t most) {
  return absl::ResourceExhaustedError(
      absl::StrCat("the answer has ", bytes, " bytes, and answers of ", waiting,
                   " bytes wait for the caller to read those before them; a stream keeps ", most,
                   " bytes: read answers before you ask for more, or ask for less at a time"));
}

}  // namespace

void OpenStreams::drain() {
  std::lock_guard lock(mutex_);
  draining_ = true;
  for (StreamCall* stream : streams_) stream->drain();
}

bool OpenStreams::add(StreamCall* stream) {
  std::lock_guard lock(mutex_);
  streams_.insert(stream);
  return !draining_;
}

void OpenStreams::remove(StreamCall* stream) {
  std::lock_guard lock(mutex_);
  streams_.erase(stream);
}

StreamCall* StreamCall::start(grpc::CallbackServerContext* context, RepositoryProtocol& protocol,
                              Metrics& metrics, OpenStreams& open, size_t max_unwritten_bytes) {
  const std::shared_ptr<StreamCall> call(
      new StreamCall(context, protocol, metrics, open, max_unwritten_bytes));
  call->self_ = call;
  const bool serving = open.add(call.get());
  std::lock_guard lock(call->mutex_);
  call->draining_ = call->draining_ || !serving;
  call->go_on();
  return call.get();
}

StreamCall::StreamCall(grpc::CallbackServerContext* context, RepositoryProtocol& protocol,
                       Metrics& metrics, OpenStreams& open, size_t max_unwritten_bytes)
    : context_(context),
      protocol_(protocol),
      open_(open),
      max_unwritten_bytes_(max_unwritten_bytes),
      timer_("ModelStreamInfer", metrics, context),
      deadline_(deadline_of(*context)),
      status_on_error_(wants_status(*context)) {}

void StreamCall::OnReadDone(bool ok) {
  const auto slot = std::make_shared<Slot>();
  {
    std::lock_guard lock(mutex_);
    if (!ok) {
      reading_ = false;
      closed_ = true;
      return go_on();
    }
    slot->bytes = request_.ByteSizeLong();
    bytes_ += slot->bytes;
    slots_.push_back(slot);
  }
  std::shared_ptr<Protocol::Call> call = ask(slot);  // may answer at once
  request_.Clear();
  std::lock_guard lock(mutex_);
  // Where the stream has ended meanwhile, dropping the call cancels it.
  if (!slot->answered && !end_) slot->call = std::move(call);
  reading_ = false;
  go_on();
}

std::shared_ptr<Protocol::Call> StreamCall::ask(const std::shared_ptr<Slot>& slot) {
  const std::string id = request_.id();
  return protocol_.infer(
      std::move(request_), deadline_,
      [self = self_, slot, id](absl::Status status, inference::ModelInferResponse response) {
        self->answer(*slot, std::move(status), std::move(response), id);
      },
      [this] { return context_->IsCancelled(); });
}

void StreamCall::answer(Slot& slot, absl::Status status, inference::ModelInferResponse response,
                        const std::string& id) {
  inference::ModelStreamInferResponse message = message_of(status, std::move(response), id);
  const size_t bytes = message.ByteSizeLong();
  std::lock_guard lock(mutex_);
  slot.answered = true;
  slot.call.reset();
  if (end_) return;  // nobody will read it
  const Slot& next = *slots_.front();
  const size_t waiting = unwritten_ - next.unwritten;
  if (status.ok() && &slot != &next && waiting + bytes > max_unwritten_bytes_) {
    status = too_much_unwritten(waiting, bytes, max_unwritten_bytes_);
    message = message_of(status, {}, id);
  }
  slot.response = std::move(message);
  slot.status = std::move(status);
  slot.unwritten = slot.response.ByteSizeLong();
  unwritten_ += slot.unwritten;
  go_on();
}

void StreamCall::OnWriteDone(bool ok) {
  std::lock_guard lock(mutex_);
  writing_ = false;
  bytes_ -= slots_.front()->bytes;
  unwritten_ -= slots_.front()->unwritten;
  slots_.pop_front();
  if (!ok) end(absl::CancelledError("the caller's connection went before the answer"));
  go_on();
}

void StreamCall::OnCancel() {
  std::lock_guard lock(mutex_);
  end(absl::CancelledError("the caller closed the stream"));
  go_on();
}

void StreamCall::OnDone() {
  open_.remove(this);
  const std::shared_ptr<StreamCall> last = std::move(self_);
}

void StreamCall::drain() {
  std::lock_guard lock(mutex_);
  draining_ = true;
  go_on();
}

void StreamCall::go_on() {
  if (!end_ && !writing_ && !slots_.empty() && slots_.front()->answered) {
    const Slot& first = *slots_.front();
    if (!first.status.ok() && status_on_error_) {
      end(first.status);
    } else {
      writing_ = true;
      StartWrite(&first.response);
    }
  }
  if (!end_ && slots_.empty() && closed_) end(absl::OkStatus());
  if (!end_ && slots_.empty() && draining_) {
    end(absl::UnavailableError("the server stops; open a stream to another one"));
  }
  if (!end_ && !reading_ && !closed_ && !draining_ && has_room()) {
    reading_ = true;
    StartRead(&request_);
  }
  if (end_ && !writing_ && !finished_) {
    finished_ = true;
    Finish(timer_.finish(*end_));
  }
}

void StreamCall::end(absl::Status status) {
  if (end_) return;
  end_ = std::move(status);
  for (const auto& slot : slots_) slot->call.reset();  // nobody waits for the others
  slots_.resize(writing_ ? 1 : 0);
}

bool StreamCall::has_room() const {
  return slots_.size() < kMaxUnanswered && (slots_.empty() || bytes_ < kMaxUnansweredBytes);
}

}  // namespace espalier::server
