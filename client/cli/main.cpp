// espalier: the command line of Espalier.
#include <unistd.h>

#include <csignal>
#include <iostream>

#include "client/cli/app.h"

namespace {

// Ctrl-C leaves a half-drawn progress bar: end its line, and end with the code that the help
// promises.
void on_interrupt(int) {
  [[maybe_unused]] auto written = write(STDERR_FILENO, "\n", 1);
  _exit(static_cast<int>(espalier::cli::ExitCode::kInterrupted));
}

}  // namespace

int main(int argc, char** argv) {
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGPIPE, SIG_IGN);
  espalier::cli::Context context;
  auto app = espalier::cli::make_app(context);
  try {
    app->parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app->exit(error) == 0 ? 0 : static_cast<int>(espalier::cli::ExitCode::kUsage);
  }
  return static_cast<int>(context.action());
}
