// espalier predict: ask the inference server.
#include <fstream>
#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/app.h"
#include "client/cli/output.h"
#include "client/cli/table.h"
#include "core/base/files.h"
#include "core/base/status_macros.h"

namespace espalier::cli {
namespace {

// One request holds so many rows, so that a long file neither waits for its last line nor fills a
// batcher's queue.
constexpr size_t kRowsARequest = 64;
// And images of so many bytes, unless one alone has more: the server takes messages of 32 MiB.
constexpr size_t kBytesARequest = 8 << 20;

struct PredictFlags {
  std::string model, file;
  std::vector<std::string> texts, pairs, images;  // images: paths
  client::PredictOptions options;
};

absl::Status read_lines(const std::string& path, std::vector<std::string>& lines) {
  std::ifstream file;
  if (path != "-") {
    file.open(path);
    if (!file) return absl::NotFoundError(absl::StrCat("cannot read ", path));
  }
  std::istream& in = path == "-" ? std::cin : file;
  for (std::string line; std::getline(in, line);) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty()) lines.push_back(line);
  }
  return absl::OkStatus();
}

// Weighted routes may answer each request with another version: then there is not one of all.
void append(const client::Predictions& part, client::Predictions& all) {
  all.version = all.rows.empty() || all.version == part.version ? part.version : "";
  all.model = part.model;
  all.rows.insert(all.rows.end(), part.rows.begin(), part.rows.end());
}

absl::StatusOr<client::Predictions> predict_images(const Context& context,
                                                   const PredictFlags& flags) {
  auto server = context.inference();
  client::Predictions all;
  std::vector<std::string> files;
  size_t bytes = 0;
  const auto ask = [&]() -> absl::Status {
    ESPALIER_ASSIGN_OR_RETURN(const auto part,
                              server.predict_images(flags.model, files, flags.options));
    append(part, all);
    files.clear();
    bytes = 0;
    return absl::OkStatus();
  };
  for (const std::string& path : flags.images) {
    ESPALIER_ASSIGN_OR_RETURN(std::string file, read_file(path));
    if (!files.empty() && (files.size() == kRowsARequest || bytes + file.size() > kBytesARequest))
      ESPALIER_RETURN_IF_ERROR(ask());
    bytes += file.size();
    files.push_back(std::move(file));
  }
  ESPALIER_RETURN_IF_ERROR(ask());
  return all;
}

absl::StatusOr<client::Predictions> predict(const Context& context, PredictFlags& flags) {
  if (!flags.images.empty()) return predict_images(context, flags);
  if (!flags.file.empty()) ESPALIER_RETURN_IF_ERROR(read_lines(flags.file, flags.texts));
  if (!flags.pairs.empty() && flags.pairs.size() != flags.texts.size()) {
    return usage_error(absl::StrCat("there are ", flags.texts.size(), " texts but ",
                                    flags.pairs.size(), " times --pair; give one a text"));
  }
  if (flags.texts.empty()) return usage_error("no text to predict for");
  auto server = context.inference();
  client::Predictions all;
  for (size_t begin = 0; begin < flags.texts.size(); begin += kRowsARequest) {
    auto slice = [&](const std::vector<std::string>& rows) {
      auto first = rows.begin() + static_cast<std::ptrdiff_t>(std::min(begin, rows.size()));
      auto last =
          rows.begin() + static_cast<std::ptrdiff_t>(std::min(begin + kRowsARequest, rows.size()));
      return std::vector<std::string>(first, last);
    };
    ESPALIER_ASSIGN_OR_RETURN(auto part, server.predict(flags.model, slice(flags.texts),
                                                        slice(flags.pairs), flags.options));
    append(part, all);
  }
  return all;
}

std::string json_text(const PredictFlags& flags, const client::Predictions& predictions) {
  Json rows = Json::array();
  for (size_t r = 0; r < predictions.rows.size(); ++r) {
    const auto& row = predictions.rows[r];
    Json json = {{"label", row.label},
                 {"exit_layer", row.exit_layer},
                 {"logits", row.logits},
                 {"version", row.version},
                 {"probabilities", row.probabilities}};
    if (row.confidence) json["confidence"] = *row.confidence;
    const bool image = !flags.images.empty();
    json[image ? "image" : "text"] = image ? flags.images[r] : flags.texts[r];
    if (!flags.pairs.empty()) json["text_pair"] = flags.pairs[r];
    if (!row.answer.empty()) json["answer"] = Json::parse(row.answer, nullptr, false);
    rows.push_back(std::move(json));
  }
  Json document = {{"model", predictions.model}, {"predictions", rows}};
  if (!predictions.version.empty()) document["version"] = predictions.version;
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

// What was asked.
std::string row_text(const PredictFlags& flags, size_t r) {
  if (!flags.images.empty()) return flags.images[r];
  if (flags.pairs.empty()) return flags.texts[r];
  return absl::StrCat(flags.texts[r], " | ", flags.pairs[r]);
}

std::string table_text(const PredictFlags& flags, const client::Predictions& predictions) {
  std::vector<std::vector<std::string>> rows;
  for (size_t r = 0; r < predictions.rows.size(); ++r) {
    const auto& row = predictions.rows[r];
    rows.push_back({row.label, row.confidence ? absl::StrFormat("%.4f", *row.confidence) : "-",
                    std::to_string(row.exit_layer), row_text(flags, r)});
  }
  return table({"LABEL", "CONFIDENCE", "EXIT LAYER", flags.images.empty() ? "TEXT" : "IMAGE"},
               rows);
}

}  // namespace

void add_predict(CLI::App& app, Context& context) {
  auto flags = std::make_shared<PredictFlags>();
  auto* command = add_command(app, "predict", "Ask a served model",
                              "espalier predict reviews \"what a lovely film\"");
  command->add_option("NAME", flags->model, "The endpoint")->required();
  auto* texts = command->add_option("TEXT", flags->texts, "Texts");
  auto* pairs = command->add_option(
      "--pair", flags->pairs,
      "Second text, once a text, for models of text pairs; the context of a question");
  pairs->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  auto* file =
      command->add_option("--file", flags->file, "File with one text a line; - is standard input");
  auto* images = command->add_option("--image", flags->images,
                                     "JPEG or PNG files, for models that read images");
  images->excludes(texts)->excludes(file)->excludes(pairs);
  command->add_option("--threshold", flags->options.exit_threshold,
                      "Exit threshold, instead of the calibrated one");
  command->add_option("--max-exit-layer", flags->options.max_exit_layer,
                      "Leave at this layer at the latest");
  command->add_option("--version", flags->options.version, "Alias or version, for example canary");
  command->callback([&context, flags, texts, file, images] {
    if (texts->count() + file->count() + images->count() == 0)
      throw CLI::RequiredError("TEXT, --file or --image");
    context.action = [&context, flags] {
      auto predictions = predict(context, *flags);
      if (!predictions.ok()) return report_error(predictions.status());
      print(context.json() ? json_text(*flags, *predictions) : table_text(*flags, *predictions));
      return ExitCode::kOk;
    };
  });
}

}  // namespace espalier::cli
