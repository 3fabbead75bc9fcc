// espalier jobs submit: a job as flags or as a recipe file.
#include "client/cli/jobs_submit.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "client/cli/output.h"
#include "client/cli/watching.h"
#include "client/cpp/names.h"

namespace espalier::cli {

void add_job_flags(CLI::App& command, JobFlags& flags) {
  // A list takes one value a flag, so that it never swallows what follows.
  auto add_list = [&](const char* name, std::vector<std::string>& values, const char* description) {
    command.add_option(name, values, description)
        ->expected(1)
        ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  };
  command.add_option("--recipe", flags.recipe_file, "YAML recipe file; flags override it")
      ->check(CLI::ExistingFile);
  command.add_option("--model", flags.model, "Model to compress");
  command.add_option("--dataset", flags.dataset, "Data set to train and measure on");
  command.add_option("--artifact", flags.artifact, "Name of the artifact; default: the job's");
  command.add_option("--base", flags.base_recipe,
                     "Named recipe that the rest overrides: auto or dense");
  auto* target = command.add_option_group("Target", "How small or fast; at most one");
  target->add_option("--sparsity", flags.sparsity,
                     "Share of the encoder's parameters to remove, e.g. 0.6");
  target->add_option("--speedup", flags.speedup,
                     "Measured speed-up over the dense model in fp32, e.g. 5, of one row of the "
                     "data's median length; another batch: --set "
                     "recipe.target.speedup.profile.batch=32 (and .length)");
  target->add_option("--latency-ms", flags.latency_ms,
                     "Measured milliseconds, likewise (recipe.target.latency.profile)");
  target->add_option("--size-bytes", flags.size_bytes, "Bytes of the published weights, e.g. 20e6");
  target->require_option(0, 1);
  add_list(
      "--milestone", flags.milestones,
      "Value of the target that is passed on the way, nearest to the dense model first; may be "
      "repeated: a model is published for each");
  command.add_option("--max-drop", flags.max_drop, "Points of the metric that it may cost");
  command.add_flag("--search", flags.search,
                   "Publish the smallest model that keeps --max-drop, of the milestones and the "
                   "target; without these sparsities from 0.5 to 0.95 are tried");
  command.add_flag(
      "--refit", flags.refit,
      "Solve the output matrices of what is left by least squares, where that is no worse");
  add_list("--teacher", flags.teachers,
           "Model that teaches; may be repeated; dense: the job's own, which is the default");
  command.add_option("--pruner", flags.pruner,
                     "Pruner, see 'espalier methods'; none: removes nothing, with --sparsity 0");
  add_list("--pruner-option", flags.pruner_options, "key=value");
  add_list("--distiller", flags.distillers,
           "Distiller; may be repeated; none: learns from labels alone");
  add_list("--distiller-option", flags.distiller_options, "name.key=value");
  command.add_option("--exit", flags.exit,
                     "Early-exit method; none: every row goes through all layers");
  add_list("--exit-option", flags.exit_options, "key=value");
  command.add_option("--finetune-epochs", flags.finetune_epochs,
                     "Epochs of the dense fine-tuning; 0: none");
  command.add_option("--prune-epochs", flags.prune_epochs, "Epochs of pruning");
  command.add_option("--recover-epochs", flags.recover_epochs, "Epochs after folding");
  command.add_option("--exit-epochs", flags.exit_epochs, "Epochs of training the exits");
  command.add_option(
      "--precision", flags.precision,
      "Published weights of the layers: fp32, bf16 or int8; embeddings stay fp32, so in int8 "
      "a BERT base's file is 2.4 times smaller, a MiniLM's 1.5 times");
  command.add_option("--seed", flags.seed, "Seed of every random choice")
      ->check(CLI::NonNegativeNumber);
  command.add_option("--max-length", flags.max_length, "Longest input in tokens")
      ->check(CLI::NonNegativeNumber);
  add_list("--label", flags.labels, "key=value to find the job by");
  add_list("--set", flags.assignments, "Any field by its path: recipe.prune.learning_rate=1e-4");
}

namespace {

struct SubmitFlags {
  JobFlags job;
  std::string id;
  bool dry_run = false, watch = false;
};

ExitCode submit(const Context& context, const SubmitFlags& flags) {
  auto wanted = job_of(flags.job);
  if (!wanted.ok()) return report_error(wanted.status());
  auto job = context.client().create_job(flags.id, *wanted, flags.dry_run);
  if (!job.ok()) return report_error(job.status());
  if (flags.dry_run) {
    print(to_json_text(context.json() ? static_cast<const google::protobuf::Message&>(*job)
                                      : job->resolved_recipe()));
    return ExitCode::kOk;
  }
  if (!flags.watch) return show(context, job, [](const v1::Job& j) { return job_text(j); });
  if (!context.quiet) std::cerr << "submitted job " << client::short_name(job->name()) << "\n";
  return show_ended(context, watch(context, job->name()));
}

}  // namespace

void add_jobs_submit(CLI::App& jobs, Context& context) {
  auto flags = std::make_shared<SubmitFlags>();
  auto* command = add_command(
      jobs, "submit", "Submit a job, given as flags or as a YAML recipe file",
      "espalier jobs submit --model minilm --dataset reviews --sparsity 0.6 \\\n"
      "      --pruner taylor --distiller soft_labels --exit deebert --name first --watch\n"
      "  espalier jobs submit --recipe recipe.yaml --set recipe.prune.learning_rate=1e-4");
  command->add_option("--name", flags->id, "Name of the job; default: the service makes one");
  add_job_flags(*command, flags->job);
  command->add_flag("--dry-run", flags->dry_run,
                    "Only check, and print the recipe with every default filled in");
  command->add_flag("--watch", flags->watch, "Follow the job to its end");
  command->callback([&context, flags] {
    context.action = [&context, flags] { return submit(context, *flags); };
  });
}

}  // namespace espalier::cli
