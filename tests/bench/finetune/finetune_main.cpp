// espalier-bench-finetune MODEL TSV [key=value ...]: fine-tunes a Hugging Face folder on the first
// rows of a TSV file (columns named sentence and label, or by text=, pair=, label=) and prints one
// JSON line: seconds, rows, tokens, longest row, loss and matrix-product GFLOP (those of plain
// fine-tuning) of every step, the GFLOP/s that one large product reaches here, and peak memory.
// Keys: steps=50 batch=32 max_length=128 threads=2 dropout=-1 order=bucketed|shuffled (whether the
// rows of a batch are of about one length) pad=0 (rows are filled with [PAD] up to `pad` tokens, to
// time full rows) precision=fp32|bf16 checkpointing=0 (1: activations are computed again in the
// backward pass) recipe={} (JSON: the target's sparsity, the pruner, distillers and prune of a
// recipe; its steps are timed in place of fine-tuning's, and the model as it is teaches).
#include <ATen/Parallel.h>
#include <sys/resource.h>

#include <chrono>
#include <iostream>
#include <map>

#include "core/distill/registry.h"
#include "core/model/load.h"
#include "core/prune/registry.h"
#include "core/train/trainer.h"

namespace espalier {
namespace {

using Settings = std::map<std::string, std::string>;

Settings read_settings(int argc, char** argv) {
  Settings out = {{"steps", "50"},        {"batch", "32"},    {"max_length", "128"},
                  {"threads", "2"},       {"dropout", "-1"},  {"text", "sentence"},
                  {"pair", ""},           {"label", "label"}, {"pad", "0"},
                  {"seed", "1"},          {"rate", "2e-5"},   {"precision", "fp32"},
                  {"checkpointing", "0"}, {"recipe", "{}"},   {"order", "bucketed"}};
  for (int i = 3; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    if (equals == std::string::npos || !out.contains(key)) {
      std::cerr << "unknown setting " << word << "; known:";
      for (const auto& [name, value] : out) std::cerr << " " << name << "=" << value;
      std::cerr << "\n";
      std::exit(2);
    }
    out[key] = word.substr(equals + 1);
  }
  return out;
}

template <class T>
T or_die(absl::StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::cerr << value.status() << "\n";
  std::exit(1);
}

Examples read_examples(const std::string& path, const Settings& set, const Task& task,
                       const Reading& reading) {
  const std::string path_folder = path.substr(0, path.rfind('/'));
  DatasetSpec spec;
  spec.folder = path_folder;
  spec.splits = {{"train", path.substr(path_folder.size() + 1)}};
  spec.text_column = set.at("text");
  spec.text_pair_column = set.at("pair");
  spec.label_column = set.at("label");
  Rows rows = or_die(read_split(spec, "train"));
  const auto steps = std::stoll(set.at("steps")), batch = std::stoll(set.at("batch"));
  // A bucket is 32 batches: with fewer rows the bucketing would differ from a whole epoch's.
  const int64_t wanted = std::min<int64_t>(rows.size(), std::max<int64_t>(steps, 64) * batch);
  Examples out;
  for (int64_t i = 0; i < wanted; ++i) {
    const Sample sample = sample_of(rows, i);
    std::vector<Features> windows = or_die(task.encode(reading, sample));
    Input& one = windows.front().input;
    const auto pad = static_cast<size_t>(std::stoll(set.at("pad")));
    if (one.ids.size() < pad) {
      one.ids.resize(pad, 0);
      one.types.resize(pad, 0);
    }
    out.add(sample, windows);
  }
  return out;
}

// Of a row: what the last layer does not compute behind its queries, for tokens but the first
// (walk.h).
double unread_macs(const ModelConfig& config, int64_t tokens) {
  const LayerShape& last = config.layers.back();
  const auto others = static_cast<double>(tokens - 1), all = static_cast<double>(tokens);
  const auto context = static_cast<double>(last.kept_heads.size()) * last.head_dim;
  return others * (2 * all * context + config.hidden * (context + 2.0 * last.neurons));
}

// Of a training step's matrix products: two a multiply-accumulate, and backward costs twice what
// forward does.
double gflop_of(const ModelConfig& config, const Batch& batch) {
  double macs = 0;
  for (const int64_t tokens : batch.lengths) {
    macs += count(config, static_cast<int>(tokens)).macs - unread_macs(config, tokens);
  }
  return 6e-9 * macs;
}

// What prunes, and what the model as it was teaches while it does; nothing without a pruner.
struct Compression {
  Compression(const Json& recipe, const Model& model) {
    if (!recipe.contains("pruner")) return;
    teacher = {model.clone(), "dense"};
    const auto options = [](const Json& choice) { return choice.value("options", Json::object()); };
    const Json& choice = recipe.at("pruner");
    pruner = or_die(pruners().make(choice.at("name"), options(choice)));
    pruner->aim({recipe.at("target").at("sparsity"), nullptr});
    for (const Json& one : recipe.at("distillers"))
      owned.push_back(or_die(distillers().make(one.at("name"), options(one))));
  }
  void join(Training& training) const {
    if (pruner == nullptr) return;
    training.pruner = pruner.get();
    training.teachers = {&teacher};
    for (const auto& distiller : owned) training.distillers.push_back(distiller.get());
  }

  Teacher teacher;
  std::unique_ptr<Pruner> pruner;
  std::vector<std::unique_ptr<Distiller>> owned;
};

// The best of several products of 1024 x 1024 x 1024.
double peak_gflops() {
  constexpr int64_t kSide = 1024;
  constexpr double kGflop = 2e-9 * kSide * kSide * kSide;
  const Tensor a = at::rand({kSide, kSide}), b = at::rand({kSide, kSide});
  Tensor out = at::mm(a, b);
  double best = 0;
  for (int i = 0; i < 40; ++i) {
    const auto start = std::chrono::steady_clock::now();
    at::mm_out(out, a, b);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, kGflop / took.count());
  }
  return best;
}

int run(int argc, char** argv) {
  const Settings set = read_settings(argc, argv);
  at::set_num_threads(std::stoi(set.at("threads")));
  Model model = or_die(load_hugging_face(argv[1]));
  model.reset_classifier(2, 1);
  auto tokenizer = or_die(load_tokenizer(argv[1]));
  auto task = or_die(make_task("text-classification"));
  const Reading reading{tokenizer.get(), &model.config, std::stoi(set.at("max_length"))};
  const Examples examples = read_examples(argv[2], set, *task, reading);

  Training training;
  const Json recipe = Json::parse(set.at("recipe"));
  training.phase = recipe.contains("pruner") ? "prune" : "finetune";
  training.seed = std::stoull(set.at("seed"));
  Json options = recipe.value("prune", Json::object());
  options["precision"] = set.at("precision");
  options["gradient_checkpointing"] = set.at("checkpointing") == "1";
  training.spec = or_die(read_training(options, training.phase, {}));
  training.spec.steps = std::stoll(set.at("steps"));
  training.spec.batch_size = training.spec.micro_batch_size = std::stoi(set.at("batch"));
  training.spec.dropout = std::stod(set.at("dropout"));
  training.spec.learning_rate = std::stod(set.at("rate"));
  training.task = task.get();
  training.reading = reading;
  training.train = &examples;
  training.sampler_window = set.at("order") == "shuffled" ? 1 : Sampler::kWindow;
  const Compression compression(recipe, model);
  compression.join(training);
  Trainer trainer(model, training);
  Sampler sampler(examples, training.spec.batch_size, training.seed, training.phase,
                  training.sampler_window);
  Json seconds = Json::array(), tokens = Json::array(), longest = Json::array(),
       losses = Json::array(), gflop = Json::array(), rows = Json::array();
  const double peak = peak_gflops();
  while (!trainer.done()) {
    const std::vector<int64_t> drawn = sampler.rows(trainer.step_index());
    const Batch batch = make_batch(examples, drawn);
    const auto start = std::chrono::steady_clock::now();
    trainer.step();
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    seconds.push_back(took.count());
    tokens.push_back(batch.tokens());
    longest.push_back(batch.longest());
    losses.push_back(trainer.metrics().at("loss"));
    gflop.push_back(gflop_of(model.config, batch));
    rows.push_back(drawn);
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::cout
      << Json{{"seconds", seconds},  {"tokens", tokens},
              {"longest", longest},  {"losses", losses},
              {"gflop", gflop},      {"rows", rows},
              {"peak_gflops", peak}, {"peak_rss_mib", static_cast<double>(usage.ru_maxrss) / 1024}}
      << "\n";
  return 0;
}

}  // namespace
}  // namespace espalier

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: espalier-bench-finetune MODEL TSV [key=value ...]\n";
    return 2;
  }
  return espalier::run(argc, argv);
}
