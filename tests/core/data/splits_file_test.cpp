#include "core/data/splits_file.h"

#include <cstring>
#include <filesystem>
#include <limits>

#include "core/base/files.h"
#include "core/base/hash.h"
#include "tests/core/data/splits_equal.h"
#include "tests/core/spec/scratch.h"

namespace espalier {
namespace {

using testing::sample_splits;
using testing::Scratch;

constexpr size_t kDigits = 64;

// The file of the sample, and the bytes in it.
struct SampleFile {
  SampleFile() {
    EXPECT_TRUE(write_splits(path, sample_splits()).ok());
    bytes = *read_file(path);
  }
  // What is read of other bytes.
  absl::StatusOr<Splits> read_of(const std::string& other) const {
    return read_splits(folder.write("other", other));
  }
  Scratch folder;
  const std::string path = folder.path() + "/splits";
  std::string bytes;
};

TEST(SplitsFile, GivesBackEveryField) {
  SampleFile file;
  const auto read = read_splits(file.path);
  ASSERT_TRUE(read.ok()) << read.status();
  testing::expect_equal(*read, sample_splits());
}

TEST(SplitsFile, HoldsSplitsWithoutRows) {
  Scratch folder;
  ASSERT_TRUE(write_splits(folder.path() + "/empty", {}).ok());
  const auto read = read_splits(folder.path() + "/empty");
  ASSERT_TRUE(read.ok()) << read.status();
  testing::expect_equal(*read, Splits());
}

TEST(SplitsFile, IsAsLongAsAnnouncedAndHasNothingBesideIt) {
  SampleFile file;
  EXPECT_EQ(splits_file_size(sample_splits()), file.bytes.size());
  EXPECT_EQ(list_files(file.folder.path())->size(), 1u);
  EXPECT_EQ(file.bytes.size() % 8, 0u);
}

TEST(SplitsFile, NoticesEveryByteThatChanged) {
  const SampleFile file;
  for (size_t i = 0; i < file.bytes.size(); i += 3) {
    std::string other = file.bytes;
    other[i] = static_cast<char>(other[i] ^ 1);
    EXPECT_TRUE(absl::IsDataLoss(file.read_of(other).status())) << i;
  }
}

TEST(SplitsFile, NoticesWhatIsMissingOrTooMuch) {
  const SampleFile file;
  for (size_t size : {size_t{0}, size_t{1}, size_t{79}, size_t{80}, file.bytes.size() - 1})
    EXPECT_TRUE(absl::IsDataLoss(file.read_of(file.bytes.substr(0, size)).status())) << size;
  EXPECT_TRUE(absl::IsDataLoss(file.read_of(file.bytes + "12345678").status()));
  EXPECT_TRUE(absl::IsNotFound(read_splits(file.folder.path() + "/none").status()));
}

// With a digest that fits, so that nothing but the bounds can save the reader.
TEST(SplitsFile, BelievesNoLengthThatLeavesTheFile) {
  const SampleFile file;
  const size_t end = file.bytes.size() - kDigits;
  int refused = 0;
  for (size_t i = 16; i < end; i += 8) {
    for (int64_t wrong : {int64_t{-1}, int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
      std::string other = file.bytes.substr(0, end);
      std::memcpy(other.data() + i, &wrong, sizeof wrong);
      const auto read = file.read_of(other + sha256_hex(other));
      if (read.ok()) continue;  // it was no length
      EXPECT_TRUE(absl::IsDataLoss(read.status())) << i;
      ++refused;
    }
  }
  EXPECT_GT(refused, 100);
}

TEST(SplitsFile, RefusesColumnsThatDoNotBelongTogether) {
  const Scratch folder;
  auto expect_refused = [&](const char* what, auto change) {
    Splits splits = sample_splits();
    change(splits);
    const std::string path = folder.path() + "/" + what;
    ASSERT_TRUE(write_splits(path, splits).ok());
    EXPECT_TRUE(absl::IsDataLoss(read_splits(path).status())) << what;
  };
  const std::vector<int32_t> four = {1, 2, 3, 4};
  expect_refused("fewer types", [&](Splits& splits) { splits.train.add(Input{four}, {}); });
  expect_refused("more ids", [&](Splits& splits) {
    for (int i = 0; i < 2; ++i) splits.train.ids.add(four);
  });
  expect_refused("no such word", [&](Splits& splits) {
    splits.train.add(Input{.ids = four, .types = four, .asked = {4}}, {});
  });
  expect_refused("no sample", [](Splits& splits) { splits.select.targets.add_unknown(); });
  expect_refused("no such sample", [](Splits& splits) {
    splits.select.sample_of = LargeArray<int64_t>();
    for (const int64_t sample : {0, 0, 2}) splits.select.sample_of.add(sample);
  });
  expect_refused("places", [](Splits& splits) { splits.select.places = LargeLists<Span>(); });
  expect_refused("answers", [](Splits& splits) { splits.select.passages.answers.add({}); });
}

}  // namespace
}  // namespace espalier
