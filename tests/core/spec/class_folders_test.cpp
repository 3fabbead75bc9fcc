#include "core/spec/class_folders.h"

#include "absl/strings/str_cat.h"
#include "tests/core/spec/pack.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using testing::Pack;
using testing::Refuses;
using testing::Scratch;

// "path label bytes" of every file.
std::vector<std::string> contents(const ClassFolders& folders) {
  auto files = read_class_folders(folders);
  EXPECT_TRUE(files.ok()) << files.status();
  std::vector<std::string> out;
  if (!files.ok()) return out;
  for (const ClassFile& file : *files)
    out.push_back(file.path + " " + file.label + " " + file.bytes);
  return out;
}
absl::Status refusal(const ClassFolders& folders) { return read_class_folders(folders).status(); }

TEST(ClassFolders, AreReadFromEveryKindOfArchiveSortedByPath) {
  for (const char* name : {"a.tar", "a.tar.gz", "a.tar.xz", "a.zip"}) {
    Pack pack(name);
    pack.file("dog/2.PNG", "two").folder("cat/").file("cat/9.jpeg", "nine").file("cat/1.jpg", "");
    EXPECT_THAT(contents(pack.folders()),
                ElementsAre("cat/1.jpg cat ", "cat/9.jpeg cat nine", "dog/2.PNG dog two"))
        << name;
  }
}

TEST(ClassFolders, AreReadFromAFolder) {
  Scratch scratch;
  scratch.write("dog/2.png", "two");
  scratch.write("cat/1.jpg", "one");
  scratch.write("README.md", "skipped");
  EXPECT_THAT(contents({scratch.path(), "", {}}),
              ElementsAre("cat/1.jpg cat one", "dog/2.png dog two"));
}

TEST(ClassFolders, LieBelowTheFolderOfTheirSplit) {
  Pack pack("a.tar");
  pack.file("./train/cat/1.jpg", "a").file("./test/cat/1.jpg", "b").file("trains/cat/1.jpg", "c");
  EXPECT_THAT(contents(pack.folders("train")), ElementsAre("train/cat/1.jpg cat a"));
  EXPECT_THAT(refusal(pack.folders()),
              Refuses("class cat has two folders, train/cat and test/cat"));
  EXPECT_THAT(refusal(pack.folders("dev")),
              Refuses("holds no .jpg, .jpeg or .png below dev; folders at its top: test, train"));
}

TEST(ClassFolders, AreAnyFoldersWhereNobodyAsksForLabels) {
  Pack pack("a.tar");
  pack.file("1.jpg", "a").file("train/cat/1.jpg", "b").file("test/cat/1.jpg", "c");
  ClassFolders folders = pack.folders();
  folders.labelled = false;
  EXPECT_THAT(contents(folders),
              ElementsAre("1.jpg  a", "test/cat/1.jpg  c", "train/cat/1.jpg  b"));
}

TEST(ClassFolders, AreNoClassesWhereTheirNamesAreThoseOfSplits) {
  EXPECT_THAT(refusal(Pack("a.tar").file("train/1.jpg", "a").file("Test/2.jpg", "b").folders()),
              Refuses("the only classes would be Test, train, which are names of splits"));
  EXPECT_THAT(contents(Pack("a.tar").file("train/1.jpg", "a").file("bus/2.jpg", "b").folders()),
              ElementsAre("bus/2.jpg bus b", "train/1.jpg train a"));
  EXPECT_THAT(contents(Pack("a.tar").file("x/train/1.jpg", "a").folders()),
              ElementsAre("x/train/1.jpg train a"));
}

TEST(ClassFolders, AreNotAllNamedWhereTheyHoldNoPicture) {
  Pack pack("a.tar");
  for (int i = 30; i > 10; --i) pack.file(std::to_string(i) + "/notes.txt", "x");
  EXPECT_THAT(refusal(pack.folders()),
              Refuses("folders at its top: 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, ..."));
}

TEST(ClassFolders, SkipWhatIsHiddenAndWhatIsNoPicture) {
  Pack pack("a.zip");
  pack.file("cat/.1.jpg", "x").file("__MACOSX/cat/._1.jpg", "x").file(".git/cat/1.jpg", "x");
  pack.file("../cat/1.jpg", "x").file("cat/notes.txt", "x").file("cat/1.jpg", "one");
  EXPECT_THAT(contents(pack.folders()), ElementsAre("cat/1.jpg cat one"));
}

TEST(ClassFolders, KeepNamesOfEveryScript) {
  for (const char* name : {"a.tar", "a.zip"}) {
    Pack pack(name);
    pack.file("Kätzchen/小.jpg", "x");
    EXPECT_THAT(contents(pack.folders()), ElementsAre("Kätzchen/小.jpg Kätzchen x")) << name;
  }
}

TEST(ClassFolders, RefuseWhatWouldVanishOrBeWrong) {
  EXPECT_THAT(refusal(Pack("a.tar").file("cat/1.gif", "x").folders()),
              Refuses("cat/1.gif is no .jpg, .jpeg or .png"));
  EXPECT_THAT(refusal(Pack("a.tar").file("1.jpg", "x").folders()),
              Refuses("1.jpg lies in no folder named by its class"));
  EXPECT_THAT(refusal(Pack("a.tar").file("train/1.jpg", "x").folders("train")),
              Refuses("train/1.jpg lies in no folder named by its class"));
  EXPECT_THAT(refusal(Pack("a.tar").file("cat/1.jpg", "x").file("./cat//1.jpg", "y").folders()),
              Refuses("is there twice"));
  EXPECT_THAT(refusal(Pack("a.tar").link("cat/1.jpg", "/etc/passwd").folders()),
              Refuses("cat/1.jpg is a link"));
  EXPECT_THAT(refusal(Pack("a.tar").file("notes.txt", "x").folders()),
              Refuses("holds no .jpg, .jpeg or .png; folders at its top: none"));
}

TEST(ClassFolders, StopAtEveryLimit) {
  Pack pack("a.tar.gz");
  ClassFolders folders =
      pack.file("cat/1.jpg", std::string(200, 'x')).file("cat/2.jpg", "x").folders();
  folders.limits.file_bytes = 199;
  EXPECT_THAT(refusal(folders), Refuses("cat/1.jpg has more than 199 bytes"));
  folders.limits = {};
  folders.limits.total_bytes = 200;
  EXPECT_THAT(refusal(folders), Refuses("unpacks to more than 200 bytes"));
  folders.limits = {};
  folders.limits.entries = 1;
  EXPECT_THAT(refusal(folders), Refuses("holds more than 1 entries"));
}

TEST(ClassFolders, RefuseAnArchiveThatIsNoneOrIsCutShort) {
  Scratch scratch;
  EXPECT_THAT(refusal({scratch.write("a.tar", "no archive"), "", {}}),
              Refuses("is no .tar, .tar.gz, .tar.xz or .zip"));
  EXPECT_FALSE(refusal({scratch.path() + "/none.zip", "", {}}).ok());
  for (const char* name : {"a.tar.gz", "a.tar.xz", "a.zip"}) {
    Pack pack(name);
    const ClassFolders folders = pack.file("cat/1.jpg", std::string(3000, 'x')).folders();
    const auto size = std::filesystem::file_size(folders.path);
    for (auto length = size; length-- > 0;) {
      std::filesystem::resize_file(folders.path, length);
      EXPECT_FALSE(refusal(folders).ok()) << name << ": " << length << " of " << size;
    }
  }
}

TEST(ClassFolders, EndWithTheFirstErrorOfWhoeverTakesThem) {
  Pack pack("a.tar");
  std::vector<std::string> seen;
  const absl::Status status = visit_class_folders(
      pack.file("cat/1.jpg", "x").file("cat/2.jpg", "x").folders(), [&](ClassFile file) {
        seen.push_back(file.path);
        return absl::CancelledError("enough");
      });
  EXPECT_TRUE(absl::IsCancelled(status));
  EXPECT_THAT(seen, ElementsAre("cat/1.jpg"));
}

TEST(ClassFolders, OfSeveralSplitsAreReadInOnePass) {
  Pack pack("a.tar.gz");
  pack.file("test/cat/1.jpg", "a").file("train/cat/2.jpg", "b").file("test/dog/3.jpg", "c");
  const std::string path = pack.file("dev/cat/4.jpg", "d").folders().path;
  std::vector<std::string> seen;
  const auto take = [&](size_t under, ClassFile file) {
    seen.push_back(absl::StrCat(under, " ", file.label, " ", file.bytes));
    return absl::OkStatus();
  };
  ASSERT_TRUE(visit_class_folders(path, {"train", "test"}, {}, take).ok());
  EXPECT_THAT(seen, ElementsAre("1 cat a", "0 cat b", "1 dog c"));
  EXPECT_THAT(visit_class_folders(path, {"train", "val"}, {}, take),
              Refuses("holds no .jpg, .jpeg or .png below val"));
}

TEST(ClassFolders, AreTakenForAnArchiveByTheirName) {
  for (const char* name : {"a.tar", "a.TAR.GZ", "b/a.tgz", "a.tar.xz", "a.txz", "a.zip"})
    EXPECT_TRUE(is_archive_name(name)) << name;
  for (const char* name : {"a.parquet", "tar", "zip/a.csv", "a.gz"})
    EXPECT_FALSE(is_archive_name(name)) << name;
}

}  // namespace
}  // namespace espalier
