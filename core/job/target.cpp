// What a recipe's target means for a pruner, and whether it was met: times are measured here.
#include <algorithm>
#include <vector>

#include "absl/strings/str_cat.h"
#include "core/base/guard.h"
#include "core/job/job.h"
#include "core/job/latency.h"
#include "core/job/measure.h"
#include "core/job/meet_time.h"
#include "core/prune/registry.h"

namespace espalier {
namespace {

int median_tokens(const Examples& examples) {
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < examples.size(); ++i) tokens.push_back(examples.tokens(i));
  std::nth_element(tokens.begin(), tokens.begin() + tokens.size() / 2, tokens.end());
  return tokens[tokens.size() / 2];
}

// The share of the dense cost that has to go for this much to be left.
double share_above(double left, double dense) { return std::max(0.0, 1 - left / dense); }

}  // namespace

bool Job::aims_at_time() const {
  return recipe_.target.kind == TargetKind::kSpeedup || recipe_.target.kind == TargetKind::kLatency;
}

LatencyProfile Job::latency_profile(Precision precision) const {
  LatencyProfile out;
  out.rows = recipe_.target.rows;
  out.tokens = recipe_.target.tokens > 0 && !state_.model.config.reads_images()
                   ? recipe_.target.tokens
                   : median_tokens(splits_.report);
  out.precision = precision;
  return out;
}

// Before anything is trained, so that a time that no pruning reaches costs nobody an hour.
void Job::measure() {
  Json& facts = state_.facts["measure"];
  if (facts.contains("table")) return;  // a checkpoint's: times are not taken twice
  const ModelConfig& config = state_.model.config;
  const LatencyProfile profile = latency_profile(recipe_.precision);
  const auto tick = [&] { reporter_->step(0, 1, {}); };
  const MachineLock lock(tick);
  const TargetSpec& target = recipe_.target;
  const Model dense = random_model(config, 1);
  LatencyTable table;
  double dense_ms = 0, wanted = 0;
  // What is to be refused is looked at twice: others may have computed.
  for (int look = 0; look < 2 && (look == 0 || wanted <= table.rest.front()); ++look) {
    table = measure_latency_table(config, profile, machine_description(), tick);
    // What it is to be faster than is published in fp32: timed beside what the table is about.
    double wide = 1;  // of fp32's time over the table's
    if (recipe_.precision != Precision::kFp32) {
      const auto both =
          batch_latency({&dense, &dense}, {profile, latency_profile(Precision::kFp32)});
      wide = both[1] / both[0];
    }
    const Cost cost(config, latency_cost(table, static_cast<int>(config.layers.size())));
    dense_ms = cost.dense() * wide;
    wanted = target.kind == TargetKind::kSpeedup ? dense_ms / target.value : target.value;
  }
  facts = {{"table", table.to_json()},
           {"dense_ms", dense_ms},
           {"wanted_ms", wanted},
           {"floor_ms", table.rest.front()}};
  if (wanted > table.rest.front()) {
    check_aim();
    return;
  }
  throw StatusError(absl::InvalidArgumentError(absl::StrCat(
      "the target is ", wanted, " ms",
      target.kind == TargetKind::kSpeedup
          ? absl::StrCat(" (", target.value, " times faster than the ", dense_ms,
                         " ms of the dense model)")
          : "",
      " for ", profile.rows, " x ", profile.tokens, " tokens, but on this machine the model takes ",
      table.rest.front(), " ms without any layer; ask for more than that")));
}

Aim Job::aim(double value) const {
  const ModelConfig& config = state_.model.config;
  const TargetSpec& target = recipe_.target;
  const auto of = [&](std::shared_ptr<const CostFunction> cost, double left) {
    return Aim{share_above(left, Cost(config, cost).dense()), cost};
  };
  switch (target.kind) {
    case TargetKind::kParameters:
      return of(parameters_cost(config, /*all=*/true), value);
    case TargetKind::kBytes:
      return of(bytes_cost(config, recipe_.precision), value);
    case TargetKind::kMacs:
      return of(macs_cost(config, max_length_), value);
    case TargetKind::kSpeedup:
    case TargetKind::kLatency: {
      const Json& facts = state_.facts.at("measure");
      return of(latency_cost(LatencyTable::from_json(facts.at("table")),
                             static_cast<int>(config.layers.size())),
                wanted_milliseconds(value));
    }
    default:
      return {value, nullptr};
  }
}

double Job::wanted_milliseconds(double value) const {
  if (recipe_.target.kind == TargetKind::kLatency) return value;
  return state_.facts.at("measure").at("dense_ms").get<double>() / value;
}

void Job::check_aim() {
  auto pruner = value_or_throw(pruners().make(recipe_.pruner.name, recipe_.pruner.options));
  const TargetSpec& target = recipe_.target;
  const Aim aim = this->aim(target.value);
  pruner->aim(aim);
  throw_if_error(pruner->check(state_.model.config));
  const bool time_or_size = target.kind != TargetKind::kSparsity;
  if (time_or_size && aim.sparsity <= 0) {
    throw StatusError(absl::InvalidArgumentError(
        absl::StrCat("the model meets the target as it is: ", input_.recipe.at("target").dump(),
                     "; ask for less, or leave the pruner out")));
  }
  if (target.milestones.empty() || this->aim(target.milestones.front()).sparsity > 0) return;
  throw StatusError(absl::InvalidArgumentError(
      absl::StrCat("the model meets the milestone ", target.milestones.front(),
                   " of the target as it is; leave it out")));
}

Gates Job::meet_target(double value, Trainer& trainer, Pruner& pruner) {
  Aim aim = this->aim(value);
  if (!aims_at_time()) return trainer.final_gates();
  const auto tick = [&] { reporter_->step(trainer.step_index(), trainer.total_steps(), {}); };
  const MachineLock lock(tick);
  const Cost cost = aim.cost_of(state_.model.config);
  const TargetSpec& target = recipe_.target;
  TimeSearch search;
  search.measure = [&](const Gates& gates) {
    tick();
    const Model folded = fold(state_.model, gates);
    const auto times =
        batch_latency({&folded, &*state_.dense},
                      {latency_profile(recipe_.precision), latency_profile(Precision::kFp32)});
    return TimeTaken{times[0], target.kind == TargetKind::kSpeedup ? times[1] / value : value};
  };
  search.expect = [&](const Gates& gates) { return cost.actual(gates); };
  search.ask = [&](double milliseconds) -> std::optional<Gates> {
    aim.sparsity = share_above(milliseconds, cost.dense());
    pruner.aim(aim);
    if (!pruner.check(state_.model.config).ok()) return std::nullopt;
    pruner.finish(trainer);
    return trainer.final_gates();
  };
  search.reopens = pruner.reopens();
  std::vector<TimeTry> tries;
  Gates gates = meet_time(trainer.final_gates(), search, tries);
  Json& told = state_.facts["prune"]["times"];  // of the milestones, then of the target
  for (const TimeTry& one : tries) {
    told.push_back({{"goal", value},
                    {"expected_ms", one.expected},
                    {"measured_ms", one.time.taken},
                    {"wanted_ms", one.time.wanted}});
  }
  return gates;
}

Json Job::reached_target(const std::string& role, const Json& column, runtime::Engine& engine,
                         runtime::Engine& dense) const {
  TargetSpec asked = recipe_.target;
  Json out = Json::object();
  if (const std::optional<size_t> milestone = milestone_of(role)) {
    asked.value = state_.milestones[*milestone].value;
    out["milestone"] = asked.value;
  } else if (recipe_.search) {
    asked.value = state_.facts.at("choose").at("chosen").get<double>();
  }
  out["asked"] = goal_json(asked);
  switch (recipe_.target.kind) {
    case TargetKind::kSparsity:
      out["reached"] = column.at("sparsity");
      break;
    case TargetKind::kParameters:
      out["reached"] = column.at("parameters");
      break;
    case TargetKind::kMacs:
      out["reached"] = count(model(role).config, max_length_).macs;
      break;
    case TargetKind::kBytes:
      out["reached"] = column.at("bytes");
      break;
    case TargetKind::kSpeedup:
    case TargetKind::kLatency: {
      const LatencyProfile profile = latency_profile(recipe_.precision);
      const auto times =
          value_or_throw(batch_times({&engine, &dense}, profile.rows, profile.tokens));
      const bool speedup = recipe_.target.kind == TargetKind::kSpeedup;
      out["reached"] = speedup ? times[1] / times[0] : times[0];
      out["milliseconds"] = times[0];
      out["dense_milliseconds"] = times[1];
      out["rows"] = profile.rows;
      out["tokens"] = profile.tokens;
      break;
    }
    default:
      break;
  }
  return out;
}

}  // namespace espalier
