// espalier-metrics: reads one JSON object a line on stdin, {"what": "classes", ...}, and prints the
// figures as one a line. The end-to-end tests compare them with other people's. NaN and infinities
// are null.
#include <functional>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>

#include "core/task/classification_metrics.h"
#include "core/task/entity_metrics.h"
#include "core/task/intervals.h"
#include "core/task/language_metrics.h"
#include "core/task/regression_metrics.h"
#include "core/task/resample_statistics.h"
#include "core/task/squad.h"
#include "core/task/squad_answers.h"

namespace espalier {
namespace {

using Json = nlohmann::json;

template <class T>
std::vector<T> list(const Json& asked, const char* name) {
  return asked.at(name).get<std::vector<T>>();
}

Json pair_of(const Interval& interval) { return {interval.low, interval.high}; }

Json classes(const Json& asked) {
  const ClassCounts counts = count_classes(list<int32_t>(asked, "truth"),
                                           list<int32_t>(asked, "predicted"), asked.at("classes"));
  return {{"accuracy", accuracy(counts)},
          {"binary_f1", binary_f1(counts)},
          {"macro_f1", macro_f1(counts)},
          {"micro_f1", micro_f1(counts)},
          {"matthews", matthews(counts)}};
}

Json labels(const Json& asked) {
  const auto truth = list<uint8_t>(asked, "truth"), predicted = list<uint8_t>(asked, "predicted");
  const ClassCounts counts = count_labels(truth, predicted, asked.at("labels"));
  return {{"macro_f1", macro_f1_of_labels(counts)},
          {"micro_f1", micro_f1(counts)},
          {"subset_accuracy", subset_accuracy(truth, predicted, asked.at("labels"))}};
}

Json entities(const Json& asked) {
  const EntityScheme scheme =
      asked.at("strict").get<bool>() ? EntityScheme::kStrictIob2 : EntityScheme::kLenient;
  const auto truth = list<std::vector<std::string>>(asked, "truth");
  const auto predicted = list<std::vector<std::string>>(asked, "predicted");
  EntityCounts counts;
  for (size_t i = 0; i < truth.size(); ++i) {
    const std::vector<std::string_view> is(truth[i].begin(), truth[i].end());
    const std::vector<std::string_view> said(predicted[i].begin(), predicted[i].end());
    counts += count_entities(is, said, scheme);
  }
  return {{"precision", entity_precision(counts)},
          {"recall", entity_recall(counts)},
          {"f1", entity_f1(counts)}};
}

Json numbers(const Json& asked) {
  const auto a = list<double>(asked, "a"), b = list<double>(asked, "b");
  const auto n = static_cast<int64_t>(a.size());
  const double r = pearson(a, b), rho = spearman(a, b);
  return {{"pearson", r},
          {"spearman", rho},
          {"mean_squared_error", mean_squared_error(a, b)},
          {"ranks", average_ranks(a)},
          {"fisher", pair_of(fisher_interval(r, n))},
          {"bonett_wright", pair_of(bonett_wright_interval(rho, n))}};
}

Json language(const Json& asked) {
  return {{"perplexity", perplexity(asked.at("loss"), asked.at("tokens"))}};
}

Json normalise(const Json& asked) {
  Json out = Json::array();
  for (const Json& text : asked.at("texts"))
    out.push_back(normalise_answer(text.get<std::string>()));
  return out;
}

Json figures(const SquadFigures& figures) { return {figures.exact, figures.f1, figures.count}; }

Json squad(const Json& asked) {
  std::vector<SquadQuestion> questions;
  for (const Json& one : asked.at("questions"))
    questions.push_back({one.at("prediction"), list<std::string>(one, "answers"),
                         one.at("no_answer").get<double>()});
  const auto version = asked.at("version") == 1 ? SquadVersion::kV1 : SquadVersion::kV2;
  const SquadReport report = evaluate_squad(questions, version, asked.at("threshold"));
  Json out = {{"total", figures(report.total)},
              {"has_answer", figures(report.has_answer)},
              {"no_answer", figures(report.no_answer)}};
  for (const SquadScore& score : report.scores) out["scores"].push_back({score.exact, score.f1});
  if (version == SquadVersion::kV2) {
    const SquadThresholds best = best_thresholds(questions);
    out["best"] = {best.exact, best.exact_threshold, best.f1, best.f1_threshold};
  }
  return out;
}

struct OwnedWindow {
  std::vector<float> start, end;
  std::vector<Span> places;
};

Json answers(const Json& asked) {
  std::vector<OwnedWindow> owned;
  for (const Json& one : asked.at("windows")) {
    owned.push_back({list<float>(one, "start"), list<float>(one, "end"), {}});
    for (const Json& offset : one.at("offsets"))
      owned.back().places.push_back({offset.at(0), offset.at(1)});
  }
  std::vector<AnswerWindow> windows;
  for (const OwnedWindow& one : owned) windows.push_back({one.start, one.end, one.places});
  const AnswerOptions options{asked.at("n_best"), asked.at("max_length"), asked.at("may_be_none"),
                              asked.at("threshold")};
  const auto answered = answer_question(windows, options);
  if (!answered.ok()) return {{"error", std::string(answered.status().message())}};
  const std::string context = asked.at("context");
  Json out = {{"text", code_points(context, answered->best.span)},
              {"none_minus_best", answered->none_minus_best},
              {"n_best", Json::array()}};
  for (const SpanAnswer& one : answered->n_best)
    out["n_best"].push_back(
        {code_points(context, one.span), one.start, one.end, one.score, one.probability});
  return out;
}

RowStatistic statistic_of(const Json& asked, const char* answers) {
  const std::string name = asked.at("statistic");
  auto numbers = [&](const char* side) { return list<double>(asked, side); };
  auto ids = [&](const char* side) { return list<int32_t>(asked, side); };
  if (name == "pearson") return pearson_statistic(numbers("truth"), numbers(answers));
  if (name == "spearman") return spearman_statistic(numbers("truth"), numbers(answers));
  if (name == "mean") return mean_statistic(numbers(answers));
  if (name == "perplexity") {
    return totals_statistic(numbers(answers), 2, [](std::span<const double> totals) {
      return perplexity(totals[0], static_cast<int64_t>(totals[1]));
    });
  }
  const std::map<std::string, CountMetric> metrics = {
      {"accuracy", accuracy}, {"macro_f1", macro_f1}, {"matthews", matthews}};
  return class_statistic(ids("truth"), ids(answers), asked.at("classes"), metrics.at(name));
}

Json intervals(const Json& asked) {
  const BootstrapOptions options{asked.at("resamples"), asked.at("confidence"), asked.at("seed")};
  const int64_t examples = asked.at("examples");
  const RowStatistic first = statistic_of(asked, "first");
  const BootstrapResult one = bootstrap(examples, first, options);
  const PairedResult both =
      paired_bootstrap(examples, first, statistic_of(asked, "second"), options);
  return {{"value", one.value},
          {"interval", pair_of(one.interval)},
          {"undefined", one.undefined},
          {"difference", both.difference},
          {"difference_interval", pair_of(both.interval)},
          {"p_value", both.p_value}};
}

}  // namespace
}  // namespace espalier

int main() {
  using namespace espalier;
  const std::map<std::string, std::function<Json(const Json&)>> known = {
      {"classes", classes}, {"labels", labels},     {"entities", entities},
      {"numbers", numbers}, {"language", language}, {"normalise", normalise},
      {"squad", squad},     {"answers", answers},   {"intervals", intervals},
  };
  for (std::string line; std::getline(std::cin, line);) {
    const Json asked = Json::parse(line);
    std::cout << known.at(asked.at("what"))(asked).dump() << "\n";
  }
}
