// One line on stderr that says how far an upload or a download is.
#pragma once

#include <string>

#include "client/cpp/client.h"

namespace espalier::cli {

// "model.safetensors  12.0 MiB of 86.7 MiB  13 %".
std::string transfer_line(const client::TransferProgress& progress);

// On a terminal the line is redrawn in place; in a pipe there is one line a file.
class TransferView {
 public:
  explicit TransferView(bool quiet);
  ~TransferView();
  client::TransferCallback callback();

 private:
  bool quiet_, terminal_, drawn_ = false;
  std::string file_;
};

}  // namespace espalier::cli
