// Data sets of many bytes: what reading them takes of memory.
#include <unistd.h>

#include <fstream>
#include <string>

#include "core/spec/dataset_spec.h"
#include "tests/core/spec/scratch.h"
#include "tests/testing/memory.h"

namespace espalier {
namespace {

using testing::bytes_of;
using testing::Scratch;

constexpr int64_t kMegabyte = 1'000'000;
constexpr int64_t kBlocks = 300, kBlockRows = 1000;
// What readers may hold: Arrow reads up to 32 blocks of a megabyte ahead, and holds some as they
// came and as they are read; batches; small columns. How far it gets ahead is up to the scheduler:
// of 150 blocks up to 113 megabytes were seen at a time, on a machine that was short of processors.
constexpr int64_t kAllowed = kBlocks / 2 * kMegabyte;

// A TSV of blocks of a megabyte.
std::string large_tsv(const Scratch& scratch) {
  std::string block;
  for (int64_t row = 0; row < kBlockRows; ++row)
    block += std::string(997, static_cast<char>('a' + row % 26)) + (row % 2 ? "\tx\n" : "\ty\n");
  const std::string path = scratch.write("train.tsv", "text\tlabel\n");
  std::ofstream out(path, std::ios::binary | std::ios::app);
  for (int64_t i = 0; i < kBlocks; ++i) out << block;
  return path;
}

// VmHWM begins anew.
bool forget_peak() {
  std::ofstream out("/proc/self/clear_refs");
  out << 5 << std::flush;
  return out.good() && bytes_of("RssAnon") > 0;
}

class LargeDataset : public ::testing::Test {
 protected:
  void SetUp() override {
#ifdef ESPALIER_SANITIZED
    GTEST_SKIP() << "a sanitizer needs memory of its own";
#endif
    spec_.splits["train"] = large_tsv(scratch_);
    if (!forget_peak()) GTEST_SKIP() << "the system does not tell a peak of memory";
    before_ = bytes_of("VmRSS");
    anonymous_before_ = bytes_of("RssAnon");
  }
  int64_t peak() const { return bytes_of("VmHWM") - before_; }
  int64_t anonymous() const { return bytes_of("RssAnon") - anonymous_before_; }

  Scratch scratch_;
  DatasetSpec spec_;

 private:
  int64_t before_ = 0, anonymous_before_ = 0;
};

TEST_F(LargeDataset, IsInspectedWithoutBeingHeld) {
  auto facts = inspect_dataset(spec_);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("train"), kBlocks * kBlockRows);
  EXPECT_LT(peak(), kAllowed);
}

// Its texts lie in a mapped file, whose pages count as resident while the system has room for them.
TEST_F(LargeDataset, IsReadToDisk) {
  auto rows = read_split(spec_, "train");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_EQ(rows->size(), kBlocks * kBlockRows);
  EXPECT_TRUE(rows->text.items().on_disk());
  EXPECT_EQ(text_of(rows->text, 149'027), std::string(997, 'b'));
  EXPECT_LT(anonymous(), kAllowed);
  EXPECT_LT(peak(), rows->text.items().size() + kAllowed);
}

}  // namespace
}  // namespace espalier
