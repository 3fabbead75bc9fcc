// A tokenizer folder on disk, for tests.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "gtest/gtest.h"

namespace espalier::testing {

using Files = std::map<std::string, std::string>;

class Folder {
 public:
  explicit Folder(const Files& files)
      : path_(::testing::TempDir() + "espalier_text_" + std::to_string(::getpid()) + "_" +
              std::to_string(++count_)) {
    std::filesystem::create_directories(path_);
    for (const auto& [name, content] : files)
      std::ofstream(path_ + "/" + name, std::ios::binary) << content;
  }
  Folder(const Folder&) = delete;
  ~Folder() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }

 private:
  static inline int count_ = 0;
  std::string path_;
};

}  // namespace espalier::testing
