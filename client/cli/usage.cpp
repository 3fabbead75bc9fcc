#include "client/cli/usage.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace espalier::cli {
namespace {

// The command that was given last: "jobs" of "espalier jobs sumbit".
const CLI::App* deepest(const CLI::App* app) {
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return app;
}

// What was given in place of a command; empty: nothing.
std::string unknown_in(const CLI::App* app) {
  const std::vector<std::string> words = app->remaining(/*recurse=*/true);
  return words.empty() ? "" : words.front();
}

}  // namespace

std::string usage_text(const CLI::App* app, const CLI::Error& error) {
  const CLI::App* at = deepest(app);
  if (error.get_name() != "RequiredError" || at->get_require_subcommand_min() == 0)
    return CLI::FailureMessage::simple(app, error);
  std::vector<std::string> known;
  for (const CLI::App* command : at->get_subcommands([](const CLI::App*) { return true; }))
    known.push_back(command->get_name());
  const std::string word = unknown_in(app);
  const char* kind = absl::StartsWith(word, "-") ? "option" : "command";
  return absl::StrCat(
      at == app ? "" : absl::StrCat("espalier ", at->get_name(), ": "),
      word.empty() ? "a command is required" : absl::StrCat("unknown ", kind, " \"", word, "\""),
      "; known commands: ", absl::StrJoin(known, ", "),
      "\nRun with --help for more information.\n");
}

}  // namespace espalier::cli
