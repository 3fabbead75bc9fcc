#include "core/spec/image_split.h"

#include <arrow/api.h>
#include <arrow/io/api.h>
#include <parquet/arrow/writer.h>

#include "absl/strings/str_cat.h"
#include "core/base/options.h"
#include "tests/core/spec/pack.h"

namespace espalier {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Pack;
using testing::Refuses;
using testing::Scratch;

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
  EXPECT_THAT(rows->images, ElementsAre("one", "two", "three"));
  EXPECT_THAT(rows->image_names, ElementsAre("cat/1.jpg", "cat/2.jpg", "dog/3.png"));
  EXPECT_EQ(rows->targets[2][0], 1);
  EXPECT_EQ(row_name(*rows, 1), "cat/2.jpg");
  EXPECT_THAT(inspect_dataset(spec)->label_names, ElementsAre("cat", "dog"));
}

TEST(ImageSplit, NeedsNoFoldersWhereItHasNoLabels) {
  Pack pack("a.tar"), others("b.tar");
  DatasetSpec spec = images_in(animals(pack).folders().path);
  spec.splits["unlabelled"] = others.file("4.png", "four").file("x/5.png", "five").folders().path;
  const auto rows = read_split(spec, "unlabelled");
  ASSERT_TRUE(rows.ok()) << rows.status();
  EXPECT_THAT(rows->images, ElementsAre("four", "five"));
  EXPECT_FALSE(rows->targets.known(0) || rows->targets.known(1));
  EXPECT_EQ(inspect_dataset(spec)->rows.at("unlabelled"), 2);
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
  EXPECT_THAT(rows->images, ElementsAre("one", "two"));
  EXPECT_THAT(rows->image_names, IsEmpty());
  EXPECT_EQ(rows->targets[0][0], 1);
  EXPECT_EQ(row_name(*rows, 1), "row 2");
  EXPECT_THAT(inspect_dataset(spec)->label_names, ElementsAre("9", "10"));
}

TEST(ImageSplit, NeedsNoColumnOfLabelsWhereItHasNone) {
  Scratch scratch;
  DatasetSpec spec = images_in(parquet_file(scratch, {"one", "two"}, {10, 9}));
  spec.image_column = "img";
  spec.label_column = "none";
  spec.label_names = {"9", "10"};
  for (const char* split : {"unlabelled", "calibrate"}) {
    spec.splits[split] = spec.splits["train"];
    const auto rows = read_split(spec, split);
    ASSERT_TRUE(rows.ok()) << rows.status();
    EXPECT_THAT(rows->images, ElementsAre("one", "two"));
    EXPECT_FALSE(rows->targets.known(0) || rows->targets.known(1));
  }
  EXPECT_THAT(read_split(spec, "train").status(), Refuses("has no column none"));
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
  EXPECT_EQ(facts->rows.at("train"), 3);
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

TEST(ImageSplit, IsOneOfAnArchiveAndAnotherOfATable) {
  Pack pack("a.tar");
  Scratch scratch;
  DatasetSpec spec = images_in(animals(pack).folders().path);
  spec.splits["report"] = parquet_file(scratch, {"one", "two"}, {10, 9});
  spec.image_column = "img";
  EXPECT_THAT(inspect_dataset(spec).status(), Refuses("unknown label \"10\"; known: cat, dog"));
  spec.label_names = {"9", "10"};
  EXPECT_THAT(inspect_dataset(spec).status(), Refuses("unknown label \"dog\"; known: 9, 10"));
  std::swap(spec.splits["train"], spec.splits["report"]);
  spec.label_names = {"9", "10", "cat", "dog"};
  auto facts = inspect_dataset(spec);
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->rows.at("train"), 2);
  EXPECT_EQ(facts->rows.at("report"), 3);
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
  for (const char* column : {"image_column", "label_column"}) {
    EXPECT_THAT(refused_images(R"("path": "a.tar")", absl::StrCat("\"", column, R"(": "x", )")),
                Refuses(absl::StrCat(column, " is set, but a.tar is an archive")));
    EXPECT_TRUE(refused_images(R"("path": "a.tar"}, {"name": "report", "path": "b.parquet")",
                               absl::StrCat("\"", column, R"(": "x", )"))
                    .ok());
  }
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

TEST(PixelMemory, IsBounded) {
  DatasetFacts facts;
  facts.rows = {{"train", 50000}, {"report", 10000}};
  EXPECT_TRUE(check_pixel_memory(facts.total_rows(), 0, 0).ok());  // texts
  EXPECT_TRUE(check_pixel_memory(facts.total_rows(), 3, 32).ok());
  EXPECT_THAT(check_pixel_memory(facts.total_rows(), 3, 224),
              Refuses("the data set's 60000 images of 3 x 224 x 224 pixels take 8.4"));
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
