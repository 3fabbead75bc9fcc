// A labelled data set as files: which file is which split, and which column is what.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/class_weights.h"
#include "core/spec/targets.h"
#include "core/spec/tasks.h"

namespace espalier {

enum class TableFormat { kByExtension, kTsv, kCsv, kJsonLines, kParquet, kSquad };

// The split whose rows have no labels, or none that anybody looks at: what a teacher shows its
// student beside train. Not carved; tasks whose train needs no labels have none.
inline constexpr char kUnlabelled[] = "unlabelled";

struct DatasetSpec {
  std::string folder;  // where the files lie
  // "train", "select", "calibrate", "report", kUnlabelled -> relative path
  std::map<std::string, std::string> splits;
  // Of splits in archives: the folder that holds their class folders; none: the archive's top.
  std::map<std::string, std::string> under;
  TableFormat format = TableFormat::kByExtension;
  std::string task = "text-classification";
  // Columns of tables; a SQuAD file and an archive have none.
  std::string text_column = "text";
  std::string text_pair_column;        // empty: single texts
  std::string image_column = "image";  // instead of the text, where the task reads images
  std::string label_column = "label";  // empty: there is none, see needs_labels()
  // By id; empty: train's values, sorted. Question answering: kNoAnswer alone, or none; empty:
  // kNoAnswer if train has questions without an answer.
  std::vector<std::string> label_names;
  // Of TSV and CSV files whose first row is data already; empty: the first row names the columns.
  std::vector<std::string> column_names;
  std::string metric;          // the one that decides; empty: the task's first
  ClassWeights class_weights;  // what the labels count in training
  // SHA-256 by relative path, of files out of a store that knows their content: nobody needs to
  // hash them again.
  std::map<std::string, std::string> digests;
};

// The JSON has the field names of proto espalier.v1.Dataset (splits is a list of {name, path,
// under}; files, which may be left out, one of {path, sha256}, and who writes it has checked it).
absl::StatusOr<DatasetSpec> read_dataset_spec(const Json& dataset, const std::string& folder);

// The file of a split. NOT_FOUND names the splits there are.
absl::StatusOr<std::string> split_path(const DatasetSpec& spec, const std::string& split);
// The SHA-256 of that file: the known one, else of its bytes.
absl::StatusOr<std::string> split_digest(const DatasetSpec& spec, const std::string& split);
// The folder in its archive that holds a split; "" where it is the archive's top.
std::string under_of(const DatasetSpec& spec, const std::string& split);
// INVALID_ARGUMENT where the task does not read files of this name and the data set's format:
// SQuAD files are for questions, and questions are in SQuAD files; likewise archives and images.
absl::Status check_format(const DatasetSpec& spec, const TaskKind& kind, const std::string& path);

// The right answers to a question, any of them, and where each begins in the context, in code
// points. None where the context has no answer.
struct RightAnswers {
  std::vector<std::string> texts;
  std::vector<int32_t> begins;
};

// One split, as columns.
struct Rows {
  // pair empty for single texts. Question answering: the question, and its context as the pair.
  std::vector<std::string> text, pair;
  std::vector<RightAnswers> answers;  // question answering only
  // Instead of texts: encoded files, and their names where they come from an archive.
  std::vector<std::string> images, image_names;
  // Instead of texts where every word has a label: a list, or a text cut at its spaces.
  std::vector<std::vector<std::string>> words;
  // kClass: the id; kValue: the number; kLabels: 0 or 1 for every label; kTokenClasses: an id for
  // every word; kSpan: 1 if there is an answer, else 0; kWords: a NextSentence. Not known in a
  // split without labels; in kUnlabelled words have kUnknownClass each.
  Targets targets;
  // The pair is what really follows the text; no label says so, and there is no other.
  bool pairs_follow = false;
  int64_t size() const { return targets.size(); }
};

// What the label column holds, and so what Rows::targets are, stands in labels.h. Question
// answering is read from SQuAD's files (squad_file.h), images from archives or Parquet
// (image_split.h), everything else from tables.
//
// Reads one split, tables through Arrow. Of kUnlabelled no label is read: the column, the class
// folders or the answers need not be there. Nor need the column of calibrate where rows have one
// class each: exits can be calibrated without labels.
//
// TSV: quotes are literal and a BOM is skipped. Errors name the file, the row and the column; a
// missing column names the columns found; an unknown label names the known ones. Text that is not
// UTF-8 is an error with its row.
absl::StatusOr<Rows> read_split(const DatasetSpec& spec, const std::string& split);

// What a full scan found: label names resolved, rows a split. Every split is read. What the spec
// says about labels (metric, class weights) is checked against the names.
struct DatasetFacts {
  std::vector<std::string> label_names;
  std::map<std::string, int64_t> rows;
  int64_t total_rows() const;
};
// Says what is wrong with an encoded image.
using LookAtImage = std::function<absl::Status(std::string_view file)>;
// `look`, if any, sees every image; its INVALID_ARGUMENT is told with the name of the image.
absl::StatusOr<DatasetFacts> inspect_dataset(const DatasetSpec& spec,
                                             const LookAtImage& look = nullptr);

// A row of a split in messages: the image's name, or its number, from 1.
std::string row_name(const Rows& rows, int64_t i);

}  // namespace espalier
