// A labelled data set as files: which file is which split, and which column is what.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/base/options.h"
#include "core/spec/targets.h"

namespace espalier {

enum class TableFormat { kByExtension, kTsv, kCsv, kJsonLines, kParquet, kSquad };

struct DatasetSpec {
  std::string folder;  // where the files lie
  std::map<std::string, std::string>
      splits;  // "train", "select", "calibrate", "report" -> relative path
  TableFormat format = TableFormat::kByExtension;
  std::string task = "text-classification";
  // Columns of tables; a SQuAD file has none.
  std::string text_column = "text";
  std::string text_pair_column;        // empty: single texts
  std::string label_column = "label";  // empty: there is none, see needs_labels()
  // By id; empty: train's values, sorted. Question answering: kNoAnswer alone, or none; empty:
  // kNoAnswer if train has questions without an answer.
  std::vector<std::string> label_names;
  // Of TSV and CSV files whose first row is data already; empty: the first row names the columns.
  std::vector<std::string> column_names;
  std::string metric;  // the one that decides; empty: the task's first
};

// The JSON has the field names of proto espalier.v1.Dataset (splits is a list of {name, path}).
absl::StatusOr<DatasetSpec> read_dataset_spec(const Json& dataset, const std::string& folder);

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
  // Instead of texts where every word has a label: a list, or a text cut at its spaces.
  std::vector<std::vector<std::string>> words;
  // kClass: the id; kValue: the number; kLabels: 0 or 1 for every label; kTokenClasses: an id for
  // every word; kSpan: 1 if there is an answer, else 0; kWords: a NextSentence. Not known in a
  // split without labels.
  Targets targets;
  // The pair is what really follows the text; no label says so, and there is no other.
  bool pairs_follow = false;
  int64_t size() const { return targets.size(); }
};

// What the label column holds, and so what Rows::targets are, stands in labels.h. Question
// answering is read from SQuAD's files (squad_file.h), everything else from tables.
//
// Reads one split, tables through Arrow. TSV: quotes are literal and a BOM is skipped. Errors name
// the file, the row and the column; a missing column names the columns found; an unknown label
// names the known ones. Text that is not UTF-8 is an error with its row.
absl::StatusOr<Rows> read_split(const DatasetSpec& spec, const std::string& split);

// What a full scan found: label names resolved, rows a split. Every split is read.
struct DatasetFacts {
  std::vector<std::string> label_names;
  std::map<std::string, int64_t> rows;
};
absl::StatusOr<DatasetFacts> inspect_dataset(const DatasetSpec& spec);

}  // namespace espalier
