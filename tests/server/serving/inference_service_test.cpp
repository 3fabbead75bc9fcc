// The protocol over a real connection, with an engine without weights.
#include "server/serving/inference_service.h"

#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <future>
#include <thread>

#include "core/base/build.h"
#include "tests/server/serving/infer_testing.h"
#include "tests/server/serving/serving_fixture.h"

namespace espalier::server {
namespace {

using espalier::testing::FakeEngine;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class InferenceServiceTest : public ServingTest {};

TEST_F(InferenceServiceTest, IsLiveAndReadyUntilItDrains) {
  inference::ServerLiveResponse live;
  ASSERT_TRUE(call(&Stub::ServerLive, {}, live).ok());
  EXPECT_TRUE(live.live());
  inference::ServerReadyResponse ready;
  ASSERT_TRUE(call(&Stub::ServerReady, {}, ready).ok());
  EXPECT_TRUE(ready.ready());
  protocol.set_ready(false);
  ASSERT_TRUE(call(&Stub::ServerReady, {}, ready).ok());
  EXPECT_FALSE(ready.ready());
}

TEST_F(InferenceServiceTest, AnUnknownModelIsSimplyNotReady) {
  inference::ModelReadyRequest request;
  inference::ModelReadyResponse response;
  request.set_name("m");
  ASSERT_TRUE(call(&Stub::ModelReady, request, response).ok());
  EXPECT_TRUE(response.ready());
  request.set_name("n");
  ASSERT_TRUE(call(&Stub::ModelReady, request, response).ok());
  EXPECT_FALSE(response.ready());
}

TEST_F(InferenceServiceTest, DescribesItselfAndItsModel) {
  inference::ServerMetadataResponse server_metadata;
  ASSERT_TRUE(call(&Stub::ServerMetadata, {}, server_metadata).ok());
  EXPECT_EQ(server_metadata.name(), "espalier");
  EXPECT_EQ(server_metadata.version(), version());
  inference::ModelMetadataRequest request;
  request.set_name("m");
  inference::ModelMetadataResponse response;
  ASSERT_TRUE(call(&Stub::ModelMetadata, request, response).ok());
  EXPECT_THAT(response.versions(), ElementsAre("one"));
  ASSERT_EQ(response.outputs_size(), 5);
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(-1, 2));
  EXPECT_EQ(response.properties().at("exit_threshold_range"), "0..1");
  EXPECT_EQ(response.properties().at("precision"), "bf16");
  EXPECT_EQ(response.properties().at("products"), "fp32");
}

TEST_F(InferenceServiceTest, ConfigTellsLoadGeneratorsTheBatchSize) {
  inference::ModelConfigRequest request;
  request.set_name("m");
  inference::ModelConfigResponse response;
  ASSERT_TRUE(call(&Stub::ModelConfig, request, response).ok());
  EXPECT_EQ(response.config().max_batch_size(), 4096);
  EXPECT_EQ(response.config().dynamic_batching().default_queue_policy().max_queue_size(), 5000u);
  EXPECT_GT(response.config().dynamic_batching().priority_levels(), 1u);
  EXPECT_EQ(response.config().dynamic_batching().default_priority_level(),
            response.config().dynamic_batching().priority_levels());
}

TEST_F(InferenceServiceTest, AnswersTextsAsTheEngineDoes) {
  InferRequest request = text_request({"ab", "c"});
  request.set_id("r1");
  inference::ModelInferResponse response;
  const grpc::Status status = infer(request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.id(), "r1");
  EXPECT_EQ(response.model_version(), "one");
  EXPECT_FALSE(response.parameters().at("truncated").bool_param());
  const FakeEngine engine;
  runtime::Row row;
  row.input.ids = {101, 'a', 'b', 102};
  row.input.types = {0, 0, 0, 0};
  EXPECT_EQ(values_of<float>(response.raw_output_contents(0))[1], engine.answer(row).logits[1]);
}

TEST_F(InferenceServiceTest, TextsAndTheirIdsGetTheSameAnswer) {
  inference::ModelInferResponse by_text, by_ids;
  ASSERT_TRUE(infer(text_request({"ab"}), by_text).ok());
  ASSERT_TRUE(infer(id_request({101, 'a', 'b', 102, 0}, {1, 1, 1, 1, 0}, 1), by_ids).ok());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(by_text.raw_output_contents(i), by_ids.raw_output_contents(i));
  }
}

TEST_F(InferenceServiceTest, AnAnswerThatCannotBeCountedIsAnAnswerStill) {
  metrics.gauge("espalier_inference_requests_total", "Makes the counter of that name throw.");
  const auto asked = [&](const InferRequest& request) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
    inference::ModelInferResponse response;
    return stub->ModelInfer(&context, request, &response).error_code();
  };
  EXPECT_EQ(asked(text_request({"a"})), grpc::StatusCode::OK);
  EXPECT_EQ(asked(text_request({})), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(InferenceServiceTest, KnobsReachTheEngine) {
  InferRequest request = text_request({"a"});
  request.add_outputs()->set_name("exit_layer");
  (*request.mutable_parameters())["exit_threshold"].set_double_param(1.0);
  inference::ModelInferResponse response;
  ASSERT_TRUE(infer(request, response).ok());
  EXPECT_THAT(values_of<int32_t>(response.raw_output_contents(0)), ElementsAre(4));
  (*request.mutable_parameters())["max_exit_layer"].set_int64_param(2);
  ASSERT_TRUE(infer(request, response).ok());
  EXPECT_THAT(values_of<int32_t>(response.raw_output_contents(0)), ElementsAre(2));
}

TEST_F(InferenceServiceTest, SaysThatATextWasCut) {
  inference::ModelInferResponse response;
  ASSERT_TRUE(infer(text_request({"a", "a text beyond sixteen tokens"}), response).ok());
  EXPECT_TRUE(response.parameters().at("truncated").bool_param());
}

TEST_F(InferenceServiceTest, AnUnknownModelIsNotFoundAndABadTensorInvalid) {
  InferRequest request = text_request({"a"});
  request.set_model_name("n");
  inference::ModelInferResponse response;
  grpc::Status status = infer(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("served: m"));
  request = text_request({"a"});
  request.mutable_inputs(0)->set_name("txt");
  status = infer(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("input \"txt\" is unknown"));
}

TEST_F(InferenceServiceTest, ACrowdGetsWhatEachWouldGetAlone) {
  constexpr int kThreads = 8, kRequests = 25;
  std::vector<std::string> alone(kThreads);
  const auto text = [](int thread) {
    return std::string(1 + thread, static_cast<char>('a' + thread));
  };
  for (int thread = 0; thread < kThreads; ++thread) {
    inference::ModelInferResponse response;
    ASSERT_TRUE(infer(text_request({text(thread)}), response).ok());
    alone[thread] = response.raw_output_contents(0);
  }
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int thread = 0; thread < kThreads; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < kRequests; ++i) {
        inference::ModelInferResponse response;
        if (!infer(text_request({text(thread)}), response).ok() ||
            response.raw_output_contents(0) != alone[thread]) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(InferenceServiceTest, ASwapInMidTrafficFailsNobody) {
  std::atomic<bool> stop{false};
  std::atomic<int> failed{0};
  std::thread client([&] {
    while (!stop) {
      inference::ModelInferResponse response;
      if (!infer(text_request({"a"}), response).ok()) ++failed;
    }
  });
  for (int i = 0; i < 20; ++i) {
    repository.apply({{"m", {{"stable", "x/" + std::to_string(i)}}}});
  }
  stop = true;
  client.join();
  EXPECT_EQ(failed, 0);
}

TEST_F(InferenceServiceTest, WhoseTimeIsOverWhileTheEngineIsBusyNeverRuns) {
  std::promise<void> entered, release;
  std::atomic<int> batches{0};
  on_predict = [&](std::span<const runtime::Row>) {
    if (++batches == 1) {
      entered.set_value();
      release.get_future().wait();
    }
    return absl::OkStatus();
  };
  std::thread first([&] {
    inference::ModelInferResponse response;
    EXPECT_TRUE(infer(text_request({"a"}), response).ok());
  });
  entered.get_future().wait();
  // The engine is busy for longer than this one has. Ids need no reading.
  InferRequest hurried = id_request({101, 'b', 102}, {1, 1, 1}, 1);
  (*hurried.mutable_parameters())["timeout"].set_int64_param(1);
  inference::ModelInferResponse response;
  EXPECT_EQ(infer(hurried, response).error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  release.set_value();
  first.join();
  EXPECT_EQ(batches, 1);
}

TEST_F(InferenceServiceTest, TextsAreNotReadWhenTheirTimeIsOver) {
  InferRequest hurried = text_request({"a", "b"});
  (*hurried.mutable_parameters())["timeout"].set_int64_param(1);
  inference::ModelInferResponse response;
  const grpc::Status status = infer(hurried, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_THAT(status.error_message(), HasSubstr("the request's time is over"));
  EXPECT_EQ(encoded, 0);
}

TEST_F(InferenceServiceTest, AFullQueueIsUnavailable) {
  std::promise<void> entered, release;
  std::atomic<int> batches{0};
  on_predict = [&](std::span<const runtime::Row>) {
    if (++batches == 1) {
      entered.set_value();
      release.get_future().wait();
    }
    return absl::OkStatus();
  };
  const auto rows = [](int n) { return text_request(std::vector<std::string>(n, "a")); };
  std::vector<std::thread> clients;
  const auto ask = [&](int n) {
    clients.emplace_back([&, n] {
      inference::ModelInferResponse response;
      EXPECT_TRUE(infer(rows(n), response).ok());
    });
  };
  ask(1);
  entered.get_future().wait();
  ask(4096);
  while (metrics.text().find("espalier_inference_queue_depth{model=\"m\"} 4096") ==
         std::string::npos) {
    std::this_thread::yield();
  }
  inference::ModelInferResponse response;
  const grpc::Status status = infer(rows(1000), response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(status.error_message(), HasSubstr("queue is full"));
  release.set_value();
  for (std::thread& client : clients) client.join();
}

TEST_F(InferenceServiceTest, CountsWhatItDid) {
  inference::ModelInferResponse response;
  ASSERT_TRUE(infer(text_request({"a", "b"}), response).ok());
  InferRequest unknown = text_request({"a"});
  unknown.set_model_name("someone-elses-secret");
  infer(unknown, response);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("espalier_inference_requests_total{code=\"OK\",model=\"m\"} 1"));
  EXPECT_THAT(text, HasSubstr("espalier_inference_rows_total{model=\"m\"} 2"));
  EXPECT_THAT(text, HasSubstr("espalier_inference_exit_layer_total{layer=\"2\",model=\"m\"} 2"));
  EXPECT_THAT(text, HasSubstr("espalier_inference_batch_rows_count{model=\"m\"} 1"));
  EXPECT_THAT(text, ::testing::Not(HasSubstr("secret")));

  inference::ModelStatisticsResponse statistics;
  ASSERT_TRUE(call(&Stub::ModelStatistics, {}, statistics).ok());
  ASSERT_EQ(statistics.model_stats_size(), 1);
  EXPECT_EQ(statistics.model_stats(0).inference_count(), 2u);
  EXPECT_EQ(statistics.model_stats(0).execution_count(), 1u);
  EXPECT_EQ(statistics.model_stats(0).inference_stats().success().count(), 1u);
}

TEST_F(InferenceServiceTest, ManagedModelsAreChangedByTheirEndpoints) {
  inference::RepositoryModelLoadRequest load;
  load.set_model_name("m");
  inference::RepositoryModelLoadResponse loaded;
  grpc::Status status = call(&Stub::RepositoryModelLoad, load, loaded);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("espalier endpoints set"));
  inference::RepositoryModelUnloadRequest unload;
  unload.set_model_name("m");
  inference::RepositoryModelUnloadResponse unloaded;
  status = call(&Stub::RepositoryModelUnload, unload, unloaded);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  inference::ServerMetadataResponse metadata;
  ASSERT_TRUE(call(&Stub::ServerMetadata, {}, metadata).ok());
  EXPECT_THAT(metadata.extensions(), ::testing::Not(::testing::Contains("model_repository")));
}

TEST_F(InferenceServiceTest, RanksTheClassesOfARow) {
  InferRequest request = text_request({"ab", "c"});
  request.add_outputs()->set_name("probabilities");
  (*request.mutable_outputs(0)->mutable_parameters())["classification"].set_int64_param(1);
  inference::ModelInferResponse response;
  const grpc::Status status = infer(request, response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.outputs(0).datatype(), "BYTES");
  EXPECT_THAT(response.outputs(0).shape(), ElementsAre(2, 1));
  EXPECT_THAT(response.raw_output_contents(0),
              ::testing::AnyOf(HasSubstr(":0:negative"), HasSubstr(":1:positive")));
}

TEST_F(InferenceServiceTest, StatisticsCountBatchesBySizeAndFailures) {
  inference::ModelInferResponse response;
  ASSERT_TRUE(infer(text_request({"a", "b"}), response).ok());
  InferRequest bad = text_request({"a"});
  bad.add_outputs()->set_name("logit");
  EXPECT_FALSE(infer(bad, response).ok());
  inference::ModelStatisticsRequest request;
  request.set_name("m");
  inference::ModelStatisticsResponse statistics;
  ASSERT_TRUE(call(&Stub::ModelStatistics, request, statistics).ok());
  const inference::ModelStatistics& stats = statistics.model_stats(0);
  EXPECT_EQ(stats.version(), "one");
  EXPECT_GT(stats.last_inference(), 0u);
  EXPECT_EQ(stats.inference_stats().fail().count(), 1u);
  EXPECT_EQ(stats.inference_stats().queue().count(), 1u);
  EXPECT_EQ(stats.inference_stats().compute_output().count(), 1u);
  ASSERT_EQ(stats.batch_stats_size(), 1);
  EXPECT_EQ(stats.batch_stats(0).batch_size(), 2u);
  EXPECT_EQ(stats.batch_stats(0).compute_infer().count(), 1u);
}

}  // namespace
}  // namespace espalier::server
