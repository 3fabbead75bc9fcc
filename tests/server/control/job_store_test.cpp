#include "tests/server/control/store_fixture.h"

namespace espalier::server {
namespace {

using espalier::v1::Endpoint;
using espalier::v1::Job;
using testing::ElementsAre;
using testing::HasSubstr;

const std::string kHash(64, 'a');

class Store : public StoreTest {
 protected:
  Store() { add_model("m"); }
  Resource dataset(const std::string& id, const std::string& project = "default") {
    return {ResourceKind::kDataset,
            {project, id},
            ResourceState::kUploading,
            "",
            {{"train.tsv", 7, kHash, ""}}};
  }
  void publish(const std::string& id) {
    submit(id).value();
    ASSERT_TRUE(store->complete_job(lease("w"), {NewArtifact{}}).ok());
  }
  Endpoint endpoint(const std::string& artifact) {
    Endpoint made;
    made.set_name("projects/default/endpoints/e");
    auto& route = *made.add_routes();
    route.set_alias("stable");
    route.set_artifact("projects/default/artifacts/" + artifact);
    route.set_weight(1);
    return made;
  }
};

TEST_F(Store, ASecondProcessIsKeptOut) {
  const auto second = SqliteJobStore::open({folder.path() + "/espalier.db", rules, false}, clock);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another espalierd"));
}

TEST_F(Store, WhatWasWrittenIsThereAfterARestart) {
  submit("a").value();
  open();
  EXPECT_EQ(state("a"), "QUEUED");
}

TEST_F(Store, AResourceBecomesValidatingWithItsLastUpload) {
  const Resource made = store->create_resource(dataset("d"), {}).value();
  EXPECT_EQ(made.state, ResourceState::kUploading);
  const Key upload{"default", made.files[0].upload};
  EXPECT_EQ(store->upload(upload)->size, 7u);
  const auto whole = store->finish_upload(upload).value();
  ASSERT_TRUE(whole.has_value());
  EXPECT_EQ(whole->state, ResourceState::kValidating);
  EXPECT_EQ(store->resources_to_validate()->size(), 1u);
  EXPECT_TRUE(store->upload(upload)->finalized);
}

TEST_F(Store, ContentThatTheProjectHasNeedsNoUploadButAnotherProjectsContentDoes) {
  ASSERT_TRUE(store->add_blob("default", {"", 7, kHash, ""}).ok());
  EXPECT_EQ(store->create_resource(dataset("d"), {})->state, ResourceState::kValidating);
  EXPECT_EQ(store->create_resource(dataset("d", "other"), {})->state, ResourceState::kUploading);
}

TEST_F(Store, AModelThatAnUnfinishedJobUsesStays) {
  submit("a").value();
  EXPECT_EQ(reason(store->delete_resource(ResourceKind::kModel, {"default", "m"})), "IN_USE");
  store->cancel_job({"default", "a"}).value();
  EXPECT_TRUE(store->delete_resource(ResourceKind::kModel, {"default", "m"}).ok());
}

TEST_F(Store, ARepeatedRequestCreatesNothing) {
  const Request request{"r1", "body"};
  submit(new_job("a"), request).value();
  EXPECT_EQ(submit(new_job("b"), request)->name(), "projects/default/jobs/a");
  EXPECT_EQ(store->jobs({{"default"}})->rows.size(), 1u);
  const absl::Status other = submit(new_job("c"), {"r1", "another body"}).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(reason(other), "REQUEST_ID_REUSED");
}

TEST_F(Store, AJobNeedsAModelThatIsReady) {
  Job job = new_job("a");
  job.set_model("projects/default/models/none");
  EXPECT_EQ(submit(job).status().code(), absl::StatusCode::kNotFound);
  job.set_model("projects/default/models/half");
  ASSERT_TRUE(store->create_resource({ResourceKind::kModel, {"default", "half"}}, {}).ok());
  EXPECT_EQ(reason(submit(job).status()), "NOT_READY");
  EXPECT_THAT(std::string(submit(job).status().message()), HasSubstr("VALIDATING"));
}

TEST_F(Store, AnArtifactIdIsTakenFromSubmissionOn) {
  publish("a");
  Job job = new_job("b");
  job.set_artifact_id("a");
  EXPECT_EQ(submit(job).status().code(), absl::StatusCode::kAlreadyExists);
  submit("c").value();
  job.set_artifact_id("c");
  EXPECT_EQ(submit(job).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(Store, CheckOnlyCreatesNothing) {
  EXPECT_TRUE(store->create_job(new_job("a"), {}, true).ok());
  EXPECT_EQ(store->job({"default", "a"}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(Store, ABlockedJobRunsAfterAllItWaitsFor) {
  submit("a").value();
  submit("b").value();
  Job job = new_job("c");
  job.add_after("projects/default/jobs/a");
  job.add_after("projects/default/jobs/b");
  submit(job).value();
  EXPECT_EQ(state("c"), "BLOCKED");
  store->complete_job(lease("w"), {}).value();
  EXPECT_EQ(state("c"), "BLOCKED");
  store->complete_job(lease("w"), {}).value();
  EXPECT_EQ(state("c"), "QUEUED");
}

TEST_F(Store, ALostDependencyFailsTheWholeChain) {
  submit("a").value();
  for (const auto& [id, before] : {std::pair{"b", "a"}, {"c", "b"}}) {
    Job job = new_job(id);
    job.add_after(absl::StrCat("projects/default/jobs/", before));
    submit(job).value();
  }
  store->cancel_job({"default", "a"}).value();
  EXPECT_EQ(state("b"), "FAILED");
  EXPECT_EQ(state("c"), "FAILED");
  EXPECT_EQ(job("c").failure().reason(), "DEPENDENCY_LOST");
}

TEST_F(Store, ALostDependencyFailsAChainOfAnyLength) {
  constexpr int kJobs = 5000;
  submit("j0").value();
  for (int i = 1; i < kJobs; ++i) {
    Job job = new_job(absl::StrCat("j", i));
    job.add_after(absl::StrCat("projects/default/jobs/j", i - 1));
    submit(job).value();
  }
  store->cancel_job({"default", "j0"}).value();
  EXPECT_EQ(job(absl::StrCat("j", kJobs - 1)).failure().reason(), "DEPENDENCY_LOST");
}

TEST_F(Store, ADatabaseOfTheFirstVersionStillOpens) {
  submit("a").value();
  store.reset();
  sqlite::Database::open(folder.path() + "/espalier.db", false)
      .value()
      ->script("DROP INDEX job_after_by_job; UPDATE schema_version SET version = 1");
  open();
  EXPECT_EQ(state("a"), "QUEUED");
}

TEST_F(Store, TheCheckOfADeletedResourceDoesNotSettleItsNamesake) {
  const Key key{"default", "n"};
  const Resource first = store->create_resource({ResourceKind::kModel, key}, {}).value();
  ASSERT_TRUE(store->delete_resource(ResourceKind::kModel, key).ok());
  const Resource second = store->create_resource({ResourceKind::kModel, key}, {}).value();
  EXPECT_TRUE(absl::IsNotFound(store->settle_resource(first, ResourceState::kReady, "")));
  EXPECT_EQ(store->resource(ResourceKind::kModel, key)->state, ResourceState::kValidating);
  EXPECT_TRUE(store->settle_resource(second, ResourceState::kReady, "").ok());
}

TEST_F(Store, WhatWasRefusedGivesItsNameToTheNextTry) {
  const Key key{"default", "n"};
  const Resource first = store->create_resource({ResourceKind::kModel, key}, {}).value();
  EXPECT_TRUE(absl::IsAlreadyExists(
      store->create_resource({ResourceKind::kModel, key}, {}).status()));  // it is being checked
  ASSERT_TRUE(store->settle_resource(first, ResourceState::kInvalid, "").ok());
  const Resource second = store->create_resource({ResourceKind::kModel, key}, {}).value();
  EXPECT_EQ(second.state, ResourceState::kValidating);
  ASSERT_TRUE(store->settle_resource(second, ResourceState::kReady, "").ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(store->create_resource({ResourceKind::kModel, key}, {}).status()));
}

TEST_F(Store, AJobDoesNotClaimTheArtifactsOfItsDeletedNamesake) {
  publish("a");
  ASSERT_TRUE(store->delete_job({"default", "a"}).ok());
  Job again = new_job("a");
  again.set_artifact_id("b");
  submit(again).value();
  EXPECT_THAT(store->complete_job(lease("w"), {NewArtifact{}}).value(),
              ElementsAre("projects/default/artifacts/b"));
  EXPECT_THAT(job("a").artifacts(), ElementsAre("projects/default/artifacts/b"));
}

TEST_F(Store, APageEndsBeforeItIsTooLargeForOneMessage) {
  const std::string large(500 << 10, 'x');
  for (int i = 0; i < 6; ++i) {
    Job job = new_job(absl::StrCat("j", i));
    (*job.mutable_labels())["note"] = large;
    submit(job).value();
    store->complete_job(lease("w"), {NewArtifact{}}).value();
    Resource resource{ResourceKind::kDataset, {"default", absl::StrCat("d", i)}};
    resource.body = large;
    store->create_resource(resource, {}).value();
  }
  const auto sizes = [](auto list) {
    std::vector<size_t> found;
    PageQuery query{"default", 1000, 0};
    do {
      const auto page = list(query).value();
      found.push_back(page.rows.size());
      query.after = page.next;
    } while (query.after != 0);
    return found;
  };
  EXPECT_THAT(sizes([&](const PageQuery& query) {
                JobQuery jobs;
                static_cast<PageQuery&>(jobs) = query;
                return store->jobs(jobs);
              }),
              ElementsAre(4u, 2u));
  EXPECT_THAT(sizes([&](const PageQuery& query) { return store->artifacts(query); }),
              ElementsAre(4u, 2u));
  EXPECT_THAT(sizes([&](const PageQuery& query) {
                return store->resources(ResourceKind::kDataset, query);
              }),
              ElementsAre(4u, 2u));
}

TEST_F(Store, ListsComeInPagesInEitherOrder) {
  for (int i = 0; i < 5; ++i) submit(absl::StrCat("j", i)).value();
  for (const bool oldest_first : {false, true}) {
    JobQuery query{{"default", 2, 0}, {}, oldest_first};
    std::vector<std::string> seen;
    do {
      const auto page = store->jobs(query).value();
      for (const Job& job : page.rows) seen.push_back(parse_name(job.name(), "jobs")->id);
      query.after = page.next;
    } while (query.after != 0);
    std::vector<std::string> expected{"j4", "j3", "j2", "j1", "j0"};
    if (oldest_first) std::reverse(expected.begin(), expected.end());
    EXPECT_EQ(seen, expected);
  }
}

TEST_F(Store, JobsAreFilteredByStateAndProject) {
  submit("a").value();
  submit("b").value();
  lease("w");
  const auto count = [&](const std::string& project, std::vector<JobState> states) {
    JobQuery query;
    query.project = project;
    query.states = std::move(states);
    return store->jobs(query)->rows.size();
  };
  EXPECT_EQ(count("default", {Job::STATE_RUNNING}), 1u);
  EXPECT_EQ(count("default", {Job::STATE_RUNNING, Job::STATE_QUEUED}), 2u);
  EXPECT_EQ(count("other", {}), 0u);
}

TEST_F(Store, OnlyAnEndedJobIsDeletedAndItsArtifactsStay) {
  submit("a").value();
  EXPECT_EQ(reason(store->delete_job({"default", "a"})), "WRONG_STATE");
  store->complete_job(lease("w"), {NewArtifact{}}).value();
  EXPECT_TRUE(store->delete_job({"default", "a"}).ok());
  EXPECT_TRUE(store->artifact({"default", "a"}).ok());
}

TEST_F(Store, AnEndpointNeedsItsArtifactsAndKeepsThem) {
  EXPECT_EQ(store->set_endpoint(endpoint("a"), false).status().code(), absl::StatusCode::kNotFound);
  publish("a");
  publish("b");
  const uint64_t first = store->set_endpoint(endpoint("a"), false)->generation();
  EXPECT_EQ(reason(store->delete_artifact({"default", "a"})), "IN_USE");
  EXPECT_GT(store->set_endpoint(endpoint("b"), false)->generation(), first);
  EXPECT_TRUE(store->delete_artifact({"default", "a"}).ok());
  EXPECT_TRUE(store->delete_endpoint({"default", "e"}).ok());
  EXPECT_EQ(store->delete_endpoint({"default", "e"}).code(), absl::StatusCode::kNotFound);
}

TEST_F(Store, EndpointsOfAProjectFitIntoOneMessageOfAWatch) {
  publish("a");
  Endpoint one = endpoint("a");
  one.mutable_routes(0)->set_alias(std::string(700'000, 'a'));
  espalier::v1::WatchEndpointsResponse all;
  for (int i = 0; i < 4; ++i) {
    one.set_name(absl::StrCat("projects/default/endpoints/e", i));
    auto set = store->set_endpoint(one, false);
    ASSERT_TRUE(set.ok()) << set.status();
    *all.add_endpoints() = *set;
  }
  EXPECT_LT(all.ByteSizeLong(), size_t{4} << 20);
  EXPECT_TRUE(store->set_endpoint(one, false).ok()) << "it is there already";
  one.set_name("projects/default/endpoints/more");
  const auto refused = store->set_endpoint(one, false).status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused));
  EXPECT_EQ(reason(refused), "TOO_LARGE");
  one.mutable_routes(0)->set_alias("stable");
  EXPECT_TRUE(store->set_endpoint(one, false).ok());
}

TEST_F(Store, AProjectHasABoundedNumberOfEndpoints) {
  publish("a");
  Endpoint one = endpoint("a");
  for (int i = 0; i < kMostEndpoints; ++i) {
    one.set_name(absl::StrCat("projects/default/endpoints/e", i));
    ASSERT_TRUE(store->set_endpoint(one, false).ok());
  }
  EXPECT_TRUE(store->set_endpoint(one, false).ok()) << "it is there already";
  one.set_name("projects/default/endpoints/more");
  EXPECT_TRUE(absl::IsResourceExhausted(store->set_endpoint(one, false).status()));
  ASSERT_TRUE(store->delete_endpoint({"default", "e0"}).ok());
  EXPECT_TRUE(store->set_endpoint(one, false).ok());
}

TEST_F(Store, OnlyOldBlobsThatNothingRefersToAreForgotten) {
  const std::string used(64, 'b'), unused(64, 'c'), young(64, 'd');
  for (const std::string& hash : {kHash, used, unused})
    ASSERT_TRUE(store->add_blob("default", {"", 7, hash, ""}).ok());
  store->create_resource(dataset("d"), {}).value();
  submit("a").value();
  ASSERT_TRUE(store->commit_checkpoint(lease("w"), {{{"s", 7, used, ""}}, "cpu"}).ok());
  const int64_t later = clock.wall_ms() + 1;
  clock.advance(10);
  ASSERT_TRUE(store->add_blob("default", {"", 7, young, ""}).ok());
  const auto forgotten = store->forget_blobs(later).value();
  ASSERT_EQ(forgotten.size(), 1u);
  EXPECT_EQ(forgotten[0].sha256, unused);
}

}  // namespace
}  // namespace espalier::server
