#include "server/serving/stream_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "tests/server/serving/serving_fixture.h"

namespace espalier::server {
namespace {

using ::testing::HasSubstr;

class StreamCallTest : public ServingTest {
 protected:
  // An engine that is held seems slow: nobody is to be refused for that.
  StreamCallTest() { options.limits.max_wait = std::chrono::hours(1); }

  using Stream =
      grpc::ClientReaderWriter<inference::ModelInferRequest, inference::ModelStreamInferResponse>;

  static InferRequest request(const std::string& id, const std::string& text = "a") {
    InferRequest request = text_request({text});
    request.set_id(id);
    return request;
  }
  // "r1", or "r1: why it failed".
  static std::string read(Stream& stream) {
    inference::ModelStreamInferResponse response;
    if (!stream.Read(&response)) return "the end";
    EXPECT_TRUE(response.infer_response().parameters().at("triton_final_response").bool_param());
    const std::string& id = response.infer_response().id();
    return response.error_message().empty() ? id : id + ": " + response.error_message();
  }
  // The engine waits in its first batch until `release`.
  void hold_the_engine() {
    on_predict = [this](std::span<const runtime::Row>) {
      if (++batches == 1) {
        entered.set_value();
        released.wait();
      }
      return absl::OkStatus();
    };
  }
  void until(const std::function<bool()>& condition) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (!condition()) {
      ASSERT_LT(std::chrono::steady_clock::now(), end) << "never happened";
      std::this_thread::yield();
    }
  }

  std::promise<void> entered, release;
  std::shared_future<void> released = release.get_future().share();
  std::atomic<int> batches{0};
  grpc::ClientContext context;
};

TEST_F(StreamCallTest, AnswersInTheOrderOfTheRequests) {
  const auto stream = stub->ModelStreamInfer(&context);
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(stream->Write(request(std::to_string(i))));
  stream->WritesDone();
  for (int i = 0; i < 200; ++i) EXPECT_EQ(read(*stream), std::to_string(i));
  EXPECT_EQ(read(*stream), "the end");
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(StreamCallTest, AnswersAsAUnaryCallDoes) {
  inference::ModelInferResponse alone;
  ASSERT_TRUE(infer(request("1", "ab"), alone).ok());
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(request("1", "ab"));
  inference::ModelStreamInferResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.infer_response().raw_output_contents(0), alone.raw_output_contents(0));
  EXPECT_EQ(response.infer_response().model_version(), "one");
}

TEST_F(StreamCallTest, ARequestThatFailsIsAnsweredAndTheStreamLivesOn) {
  const auto stream = stub->ModelStreamInfer(&context);
  InferRequest bad = request("bad");
  bad.set_model_name("n");
  stream->Write(bad);
  stream->Write(request("good"));
  EXPECT_THAT(read(*stream), HasSubstr("bad: model \"n\" is unknown"));
  EXPECT_EQ(read(*stream), "good");
}

TEST_F(StreamCallTest, WhoAsksForItGetsTheStatusOfTheFirstErrorAndTheEnd) {
  context.AddMetadata("triton_grpc_error", "true");
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(request("good"));
  EXPECT_EQ(read(*stream), "good");
  InferRequest bad = request("bad");
  bad.set_model_name("n");
  stream->Write(bad);
  EXPECT_EQ(read(*stream), "the end");
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::NOT_FOUND);
}

TEST_F(StreamCallTest, AStreamThatIsLeftTakesItsWaitingRowsAlong) {
  hold_the_engine();
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(request("1"));
  entered.get_future().wait();
  stream->Write(request("2"));
  until([&] {
    return metrics.text().find("espalier_inference_queue_depth{model=\"m\"} 1") !=
           std::string::npos;
  });
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  until([&] {
    return metrics.text().find("code=\"CANCELLED\",method=\"ModelStreamInfer\"") !=
           std::string::npos;
  });
  release.set_value();
  inference::ModelInferResponse response;
  ASSERT_TRUE(infer(request("3"), response).ok());
  EXPECT_EQ(batches, 2);  // the first, and the third's
}

TEST_F(StreamCallTest, ReadsNoFurtherThanItsBound) {
  hold_the_engine();
  const int bound = StreamCall::kMaxUnanswered, all = bound + 20;
  const auto stream = stub->ModelStreamInfer(&context);
  for (int i = 0; i < all; ++i) ASSERT_TRUE(stream->Write(request(std::to_string(i))));
  entered.get_future().wait();
  until([&] { return encoded == bound; });
  inference::ServerLiveResponse live;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(call(&Stub::ServerLive, {}, live).ok());
  EXPECT_EQ(encoded, bound);
  release.set_value();
  for (int i = 0; i < all; ++i) EXPECT_EQ(read(*stream), std::to_string(i));
}

// One row a batch, so that a request of a higher priority is answered alone, and first.
class FullStreamTest : public StreamCallTest {
 protected:
  FullStreamTest() { options.limits.rows = 1; }
};

TEST_F(FullStreamTest, KeepsTheNextAnswerAndRefusesWhatIsTooMuchBehindIt) {
  InferenceService tight(protocol, metrics, 100);
  auto started = GrpcServer::start({.listen = "127.0.0.1:0", .services = {&tight}});
  ASSERT_TRUE(started.ok()) << started.status();
  const auto tight_stub = inference::GRPCInferenceService::NewStub(
      grpc::CreateChannel((*started)->address(), grpc::InsecureChannelCredentials()));
  hold_the_engine();
  inference::ModelInferResponse held;
  auto holder = std::async(std::launch::async, [&] { return infer(request("held"), held).ok(); });
  entered.get_future().wait();
  const auto stream = tight_stub->ModelStreamInfer(&context);
  stream->Write(request("next"));
  InferRequest hurried = request("behind");
  (*hurried.mutable_parameters())["priority"].set_int64_param(1);
  stream->Write(hurried);
  until([&] {
    return metrics.text().find("espalier_inference_queue_depth{model=\"m\"} 2") !=
           std::string::npos;
  });
  release.set_value();
  EXPECT_TRUE(holder.get());
  EXPECT_EQ(read(*stream), "next");  // larger than the bound too
  EXPECT_THAT(read(*stream), HasSubstr("behind: the answer has "));
}

TEST_F(StreamCallTest, AServerThatStopsAnswersWhatItHasReadAndEndsTheStream) {
  hold_the_engine();
  const auto stream = stub->ModelStreamInfer(&context);
  stream->Write(request("1"));
  entered.get_future().wait();
  service.drain_streams();
  release.set_value();
  EXPECT_EQ(read(*stream), "1");
  EXPECT_EQ(read(*stream), "the end");
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  grpc::ClientContext later;
  EXPECT_EQ(stub->ModelStreamInfer(&later)->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace espalier::server
