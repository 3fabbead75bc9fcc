#include "client/cli/transfer_view.h"

#include <unistd.h>

#include <iostream>

#include "absl/strings/str_format.h"
#include "client/cli/table.h"

namespace espalier::cli {

std::string transfer_line(const client::TransferProgress& progress) {
  const double share =
      progress.total == 0 ? 1.0 : static_cast<double>(progress.done) / progress.total;
  return absl::StrFormat("%s  %s of %s  %d %%", progress.file, bytes_text(progress.done),
                         bytes_text(progress.total), static_cast<int>(100 * share));
}

TransferView::TransferView(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

TransferView::~TransferView() {
  if (drawn_) std::cerr << "\r\033[K" << std::flush;
}

client::TransferCallback TransferView::callback() {
  if (quiet_) return {};
  return [this](const client::TransferProgress& progress) {
    if (terminal_) {
      drawn_ = true;
      std::cerr << "\r\033[K" << transfer_line(progress) << std::flush;
    } else if (file_ != progress.file) {
      file_ = progress.file;
      std::cerr << transfer_line(progress) << "\n";
    }
  };
}

}  // namespace espalier::cli
