#include "server/control/inspect.h"

#include <sys/resource.h>

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "core/base/files.h"
#include "core/base/guard.h"
#include "core/base/status_macros.h"
#include "core/image/decode.h"
#include "core/spec/dataset_spec.h"
#include "core/spec/families.h"
#include "core/spec/model_folder.h"
#include "core/text/tokenizer.h"

namespace espalier::server {
namespace {

// What core/spec cannot know: whether a job could make a tokenizer of the files, and all its ids.
absl::Status check_tokenizer(const std::string& folder, int rows) {
  ESPALIER_ASSIGN_OR_RETURN(const auto tokenizer, load_tokenizer(folder));
  if (tokenizer->vocabulary() <= rows) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("the tokenizer has ids up to ",
                                                 tokenizer->vocabulary() - 1,
                                                 ", added tokens included, but the "
                                                 "embedding has ",
                                                 rows, " rows; it needs a row for each id"));
}

absl::StatusOr<Json> inspect_model(const std::string& folder) {
  ESPALIER_ASSIGN_OR_RETURN(const ModelFolder model, inspect_model_folder(folder));
  if (!model.config.reads_images())
    ESPALIER_RETURN_IF_ERROR(check_tokenizer(folder, model.config.vocabulary));
  return Json{{"ok", true},
              {"family", facts_of(model.config).model_type},
              {"parameters", model.counts.parameters},
              {"layers", model.config.layers.size()},
              {"hidden", model.config.hidden},
              {"image_size", model.config.image_size},
              {"channels", model.config.channels}};
}

absl::StatusOr<Json> inspect_data(const std::string& folder, const Json& dataset) {
  ESPALIER_ASSIGN_OR_RETURN(const DatasetSpec spec, read_dataset_spec(dataset, folder));
  // Every image is decoded, lest a job finds out after hours in a queue. The limits of this process
  // bound the time: two minutes are some million images of 32 x 32 pixels, or ten thousand of a
  // megapixel.
  const auto look = [](std::string_view file) { return decode_image(file).status(); };
  ESPALIER_ASSIGN_OR_RETURN(const DatasetFacts facts, inspect_dataset(spec, look));
  return Json{{"ok", true}, {"label_names", facts.label_names}, {"rows", facts.rows}};
}

std::string reason_for(ResourceKind kind) {
  return kind == ResourceKind::kModel ? "BAD_MODEL" : "BAD_DATA";
}

// A limit that this process sets for itself: nothing has to happen between fork and exec.
bool limit(int what, rlim_t value) {
  const struct rlimit limits = {value, value};
  return ::setrlimit(static_cast<__rlimit_resource>(what), &limits) == 0;
}

}  // namespace

Json inspect(ResourceKind kind, const std::string& folder, const Json& spec) {
  auto facts = guard("checking the files", [&] {
    return kind == ResourceKind::kModel ? inspect_model(folder) : inspect_data(folder, spec);
  });
  if (facts.ok()) return *facts;
  // The user knows the files by the names they were uploaded under, not by our scratch folder's.
  return {{"ok", false},
          {"reason", reason_for(kind)},
          {"message", absl::StrReplaceAll(facts.status().message(), {{folder + "/", ""}})}};
}

int inspect_main(const std::vector<std::string>& arguments) {
  const bool is_model = arguments.size() == 2 && arguments[0] == "model";
  const bool is_dataset = arguments.size() == 3 && arguments[0] == "dataset";
  if (!is_model && !is_dataset) {
    std::fprintf(stderr,
                 "usage: espalierd --inspect model FOLDER | --inspect dataset FOLDER SPEC\n");
    return 2;
  }
  if (!limit(RLIMIT_AS, rlim_t{4} << 30) || !limit(RLIMIT_CPU, 120) || !limit(RLIMIT_CORE, 0)) {
    std::perror("setrlimit");
    return 2;
  }
  absl::StatusOr<Json> spec = Json();
  if (is_dataset) spec = read_json(arguments[2]);
  if (!spec.ok()) {
    std::fprintf(stderr, "%s\n", spec.status().ToString().c_str());
    return 2;
  }
  const Json answer =
      inspect(is_model ? ResourceKind::kModel : ResourceKind::kDataset, arguments[1], *spec);
  // Labels of a hostile file may be no UTF-8.
  std::puts(answer.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
  return 0;
}

}  // namespace espalier::server
