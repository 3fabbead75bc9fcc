#include "core/spec/image_split.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/writer.h>

#include "absl/strings/str_cat.h"
#include "core/base/options.h"
#include "tests/core/spec/pack.h"
#include "tests/testing/texts.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Pack;
using testing::Refuses;
using testing::Scratch;
using testing::texts_in;

DatasetSpec images_in(const std::string& train) {
  DatasetSpec spec;
  spec.task = "image-classification";
  spec.splits["train"] = train;
  return spec;
}

// Two cats and a dog, below a folder.
Pack& animals(Pack& pack, const std::string& below = "") {
  return pack.file(below + "dog/3.png", "three")
      .file(below + "cat/2.jpg", "two")
      .file(below + "cat/1.jpg", "one");
}

TEST(ImageSplit, IsAnArchiveWhoseFoldersAreTheLabels) {
  Pack pack("a.tar");
  const DatasetSpec spec = images_in(animals(pack).folders().path);
  auto rows = read_split(spec, "train");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(texts_in(rows->images), ElementsAre("one", "two", "three"));
  EXPECT_THAT(texts_in(rows->image_names), ElementsAre("cat/1.jpg", "cat/2.jpg", "dog/3.png"));
  EXPECT_EQ(rows->targets[2][0], 1);
  EXPECT_EQ(row_name(*rows, 1), "cat/2.jpg");
  EXPECT_THAT(inspect_dataset(spec)->label_names, ElementsAre("cat", "dog"));
}

// A table of images and labels.
std::string parquet_file(const Scratch& scratch, const std::vector<std::string>& images,
                         const std::vector<int32_t>& labels) {
  arrow::BinaryBuilder bytes;
  arrow::Int32Builder numbers;
  EXPECT_TRUE(bytes.AppendValues(images).ok() && numbers.AppendValues(labels).ok());
  const auto schema =
      arrow::schema({arrow::field("img", arrow::binary()), arrow::field("label", arrow::int32())});
  const auto table = arrow::Table::Make(schema, {*bytes.Finish(), *numbers.Finish()});
  std::string path = scratch.path() + "/a.parquet";
  auto out = *arrow::io::FileOutputStream::Open(path);
  EXPECT_TRUE(
      parquet::arrow::WriteTable(*table, arrow::default_memory_pool(), out, images.size()).ok());
  EXPECT_TRUE(out->Close().ok());
  return path;
}

TEST(ImageSplit, IsAParquetTableWithAColumnOfFiles) {
  Scratch scratch;
  DatasetSpec spec = images_in(parquet_file(scratch, {"one", "two"}, {10, 9}));
  EXPECT_THAT(inspect_dataset(spec).status(), Refuses("has no column image; columns found: img"));
  spec.image_column = "img";
  auto rows = read_split(spec, "train");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(texts_in(rows->images), ElementsAre("one", "two"));
  EXPECT_THAT(texts_in(rows->image_names), IsEmpty());
  EXPECT_EQ(rows->targets[0][0], 1);
  EXPECT_EQ(row_name(*rows, 1), "row 2");
  EXPECT_THAT(inspect_dataset(spec)->label_names, ElementsAre("9", "10"));
}

TEST(ImageSplit, NamesTheFileOfALabelThatTrainDoesNotHave) {
  Pack pack("a.tar"), other("b.zip");
  DatasetSpec spec = images_in(animals(pack).folders().path);
  spec.splits["report"] = other.file("cow/1.jpg", "x").folders().path;
  EXPECT_THAT(inspect_dataset(spec).status(),
              Refuses("b.zip: cow/1.jpg: unknown label \"cow\"; known: cat, dog"));
}

TEST(ImageSplit, NeedsTwoFolders) {
  Pack pack("a.tar");
  EXPECT_THAT(inspect_dataset(images_in(pack.file("cow/1.jpg", "x").folders().path)).status(),
              Refuses("train holds 1 different labels (its folders); image-classification needs "
                      "at least 2"));
}

TEST(ImageSplit, SharesAnArchiveWithSplitsOfOtherFolders) {
  Pack pack("a.tar");
  animals(pack, "train/");
  DatasetSpec spec = images_in(animals(pack, "test/").folders().path);
  spec.under = {{"train", "train"}, {"report", "test"}};
  spec.splits["report"] = spec.splits["train"];
  auto facts = inspect_dataset(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("report"), 3);
  spec.under["report"] = "train";
  EXPECT_THAT(inspect_dataset(spec).status(), Refuses("a row must serve one of them"));
}

TEST(ImageSplit, ShowsEveryImageToWhoeverLooks) {
  Pack pack("a.tar");
  const DatasetSpec spec = images_in(animals(pack).folders().path);
  const auto look = [](std::string_view file) {
    return file == "two" ? absl::InvalidArgumentError("it is no picture") : absl::OkStatus();
  };
  EXPECT_THAT(inspect_dataset(spec, look).status(), Refuses("a.tar: cat/2.jpg: it is no picture"));
}

absl::Status refused_images(const std::string& split, const std::string& fields = "") {
  return read_dataset_spec(
             Json::parse(absl::StrCat(R"({"task": "image-classification", )", fields,
                                      R"("splits": [{"name": "train", )", split, "}]}")),
             "/data")
      .status();
}

TEST(ImageSplit, HasTheFieldsOfImages) {
  EXPECT_TRUE(refused_images(R"("path": "a.tar.xz", "under": "train/")").ok());
  EXPECT_TRUE(refused_images(R"("path": "a.parquet")", R"("image_column": "img", )").ok());
  EXPECT_THAT(refused_images(R"("path": "a.tsv")"), Refuses("reads an archive with a folder"));
  EXPECT_THAT(refused_images(R"("path": "a.tar")", R"("format": "FORMAT_CSV", )"),
              Refuses("no format set"));
  EXPECT_THAT(refused_images(R"("path": "a.parquet", "under": "x")"), Refuses("is no archive"));
  EXPECT_THAT(refused_images(R"("path": "a.tar", "under": "../x")"), Refuses("leaves its folder"));
  EXPECT_THAT(refused_images(R"("path": "a.tar")", R"("text_column": "img", )"),
              Refuses("text_column is set, but image-classification reads images"));
  EXPECT_THAT(refused_images(R"("path": "a.tar")", R"("column_names": ["image", "label"], )"),
              Refuses("column_names is set"));
  const auto text = [](const std::string& fields) {
    return read_dataset_spec(Json::parse("{" + fields + "}"), "/data").status();
  };
  EXPECT_THAT(text(R"("splits": [{"name": "train", "path": "a.tar"}])"),
              Refuses("an archive is for image-classification"));
  EXPECT_THAT(text(R"("splits": [{"name": "train", "path": "a.tsv"}], "image_column": "x")"),
              Refuses("image_column is set, but text-classification reads texts"));
}

TEST(ImageSplit, TellsFoldersThatHoldTheSameFiles) {
  EXPECT_TRUE(overlap("", "train"));
  EXPECT_TRUE(overlap("a/b", "a"));
  EXPECT_FALSE(overlap("train", "trains"));
  EXPECT_FALSE(overlap("train", "test"));
}

TEST(Tasks, KnowWhatAModelMustRead) {
  const TaskKind images = *find_task("image-classification"), texts = *find_task("regression");
  EXPECT_TRUE(check_reads(images, Reads::kImage, "vit").ok());
  EXPECT_THAT(check_reads(images, Reads::kText, "bert"),
              Refuses("the task is image-classification, which reads images, but the model, a "
                      "bert, reads texts; its tasks: text-classification, regression"));
  EXPECT_THAT(check_reads(texts, Reads::kImage, "vit"),
              Refuses("reads images; its tasks: image-classification"));
}

}  // namespace
}  // namespace espalier
