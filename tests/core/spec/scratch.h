// A folder for one test, gone with it; and words that read like sentences.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/status/status.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace espalier::testing {

class Scratch {
 public:
  Scratch()
      : path_(::testing::TempDir() + "espalier_spec_" + std::to_string(::getpid()) + "_" +
              std::to_string(++count_)) {
    std::filesystem::create_directories(path_);
  }
  ~Scratch() { std::filesystem::remove_all(path_); }
  const std::string& path() const { return path_; }
  // Writes a file, folders above it included, and returns its path.
  std::string write(const std::string& name, const std::string& content) const {
    const std::filesystem::path path = path_ + "/" + name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

 private:
  static inline int count_ = 0;
  std::string path_;
};

// EXPECT_THAT(status, Refuses("part of the message"))
MATCHER_P(Refuses, part, "") {
  *result_listener << arg.ToString();
  return absl::IsInvalidArgument(arg) &&
         ::testing::Matches(::testing::HasSubstr(part))(std::string(arg.message()));
}

}  // namespace espalier::testing
