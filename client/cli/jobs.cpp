// espalier jobs: list, get, watch, cancel, delete; submit has its own file.
#include <unistd.h>

#include <algorithm>
#include <iostream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/progress_view.h"
#include "client/cli/table.h"
#include "client/cli/watching.h"
#include "client/cpp/names.h"

namespace espalier::cli {
namespace {

std::string stands_at(const v1::Job& job) {
  const auto& at = job.progress();
  if (job.state() != v1::Job::STATE_RUNNING || at.phase().empty()) return job.state_reason();
  return at.steps() > 0 ? absl::StrCat(at.phase(), " ", at.step(), "/", at.steps()) : at.phase();
}

std::string text_of(const v1::ListJobsResponse& list) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& job : list.jobs()) {
    rows.push_back({client::short_name(job.name()), state_text(v1::Job::State_Name(job.state())),
                    client::short_name(job.model()), client::short_name(job.dataset()),
                    stands_at(job), time_text(job.create_time())});
  }
  return table({"NAME", "STATE", "MODEL", "DATA SET", "STANDS AT", "CREATED"}, rows);
}

std::vector<v1::Job::State> parse_states(const std::vector<std::string>& names) {
  std::vector<v1::Job::State> states;
  for (const auto& name : names) {
    v1::Job::State state;
    if (!v1::Job::State_Parse("STATE_" + absl::AsciiStrToUpper(name), &state)) {
      throw CLI::ValidationError(
          "--state", name +
                         " is no state; states are queued, blocked, running, cancelling, "
                         "succeeded, failed, cancelled");
    }
    states.push_back(state);
  }
  return states;
}

}  // namespace

std::string job_text(const v1::Job& job) {
  std::string text = absl::StrCat("name      ", client::short_name(job.name()), "\nstate     ",
                                  state_text(v1::Job::State_Name(job.state())));
  if (!stands_at(job).empty()) absl::StrAppend(&text, "  ", stands_at(job));
  absl::StrAppend(&text, "\nmodel     ", client::short_name(job.model()), "\n");
  if (!job.dataset().empty())
    absl::StrAppend(&text, "data set  ", client::short_name(job.dataset()), "\n");
  if (job.has_failure() && !job.failure().message().empty()) {
    absl::StrAppend(&text, "failure   ", job.failure().reason(), ": ", job.failure().message(),
                    "\n");
  }
  for (const auto& artifact : job.artifacts()) {
    absl::StrAppend(&text, "artifact  ", client::short_name(artifact), "\n");
  }
  if (job.attempt() > 1) absl::StrAppend(&text, "attempts  ", job.attempt(), "\n");
  absl::StrAppend(&text, "created   ", time_text(job.create_time()), "\n");
  if (job.end_time().seconds() > 0) {
    absl::StrAppend(&text, "took      ",
                    duration_text(job.end_time().seconds() - job.create_time().seconds()), "\n");
  }
  return text;
}

absl::StatusOr<v1::Job> watch(const Context& context, const std::string& id, uint64_t after_seq) {
  std::ostream& out = context.json() ? std::cerr : std::cout;
  ProgressView view(out, isatty(context.json() ? STDERR_FILENO : STDOUT_FILENO) != 0);
  auto job = context.client().watch_job(id, after_seq, [&](const v1::JobEvent& event) {
    if (!context.quiet) view.show(event);
  });
  view.finish();
  return job;
}

ExitCode show_ended(const Context& context, const absl::StatusOr<v1::Job>& job) {
  auto code = show(context, job, [](const v1::Job& j) { return job_text(j); });
  if (code == ExitCode::kOk && job->state() != v1::Job::STATE_SUCCEEDED) return ExitCode::kFailed;
  return code;
}

void add_jobs(CLI::App& app, Context& context) {
  auto* jobs = add_command(app, "jobs", "Compression jobs", "espalier jobs list --state running");
  jobs->require_subcommand(1);
  add_jobs_submit(*jobs, context);
  auto id = std::make_shared<std::string>();

  auto* list = add_command(*jobs, "list", "All jobs, newest first",
                           "espalier jobs list --state queued,running");
  auto states = std::make_shared<std::vector<std::string>>();
  list->add_option("--state", *states, "Only jobs in these states")->delimiter(',');
  list->callback([&context, states] {
    auto wanted = parse_states(*states);
    context.action = [&context, wanted] {
      return show(context, context.client().list_jobs(wanted),
                  [](const v1::ListJobsResponse& l) { return text_of(l); });
    };
  });

  auto* get = add_command(*jobs, "get", "One job; --output json has its resolved recipe",
                          "espalier jobs get first --output json");
  get->add_option("NAME", *id, "The job")->required();
  get->callback([&context, id] {
    context.action = [&context, id] {
      return show(context, context.client().get_job(*id),
                  [](const v1::Job& j) { return job_text(j); });
    };
  });

  auto* watched =
      add_command(*jobs, "watch", "Follow a job to its end; exits with 0 only if it succeeded",
                  "espalier jobs watch first");
  auto after = std::make_shared<uint64_t>(0);
  watched->add_option("NAME", *id, "The job")->required();
  watched->add_option("--after", *after, "Number of the last event that is known already")
      ->capture_default_str();
  watched->callback([&context, id, after] {
    context.action = [&context, id, after] {
      return show_ended(context, watch(context, *id, *after));
    };
  });

  auto* cancel = add_command(*jobs, "cancel", "Ask a job to stop", "espalier jobs cancel first");
  cancel->add_option("NAME", *id, "The job")->required();
  cancel->callback([&context, id] {
    context.action = [&context, id] {
      return show(context, context.client().cancel_job(*id),
                  [](const v1::Job& j) { return job_text(j); });
    };
  });

  auto* remove = add_command(*jobs, "delete", "Remove an ended job; its artifacts stay",
                             "espalier jobs delete first");
  remove->add_option("NAME", *id, "The job")->required();
  remove->callback([&context, id] {
    context.action = [&context, id] {
      return show_deleted(context, *id, context.client().delete_job(*id));
    };
  });
}

}  // namespace espalier::cli
