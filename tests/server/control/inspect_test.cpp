#include "server/control/inspect.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>

#include "core/base/files.h"
#include "tests/server/control/store_fixture.h"

namespace espalier::server {
namespace {

// In a child, as it sets limits; sanitizers need more memory than those allow.
TEST(InspectMain, TakesTheSpecFromAFile) {
#ifdef ESPALIER_SANITIZED
  GTEST_SKIP() << "not under a sanitizer";
#endif
  ScratchFolder folder;
  const std::string spec = folder.path() + "/spec.json", data = folder.path() + "/data";
  ASSERT_TRUE(make_folders(data).ok());
  ASSERT_TRUE(write_file(data + "/train.tsv", "text\tlabel\ngood\tpos\nbad\tneg\n").ok());
  ASSERT_TRUE(write_file(spec, R"({"splits": [{"name": "train", "path": "train.tsv"}]})").ok());
  const auto run = [&](const std::string& path) {
    ::dup2(STDERR_FILENO, STDOUT_FILENO);  // which is what the test can read
    std::exit(inspect_main({"dataset", data, path}));
  };
  EXPECT_EXIT(run(spec), testing::ExitedWithCode(0), "\"ok\":true");
  EXPECT_EXIT(run(spec + ".none"), testing::ExitedWithCode(2), "spec.json.none");
}

}  // namespace
}  // namespace espalier::server
