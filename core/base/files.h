// Whole files and folders. What is written is either whole and durable under its name, or not
// there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/base/options.h"

namespace espalier {

absl::StatusOr<std::string> read_file(const std::string& path);
// Writes aside, fsyncs file and folder, renames.
absl::Status write_file(const std::string& path, std::string_view content);
// The same in two steps, for who writes piece by piece: a name beside `path` that no other process
// writes to, not even one of another container on the same volume; and what is to be done then.
std::string aside_of(const std::string& path);
absl::Status publish_file(const std::string& written_aside, const std::string& path);
// fsyncs a folder, so that renames in it survive a power cut.
absl::Status sync_folder(const std::string& path);
absl::Status make_folders(const std::string& path);
// Removes files of a folder, the longest unused first (by the time of their last change, which
// whoever uses one sets), until the rest has at most `max_bytes`. A file with a second link stays:
// removing it would free nothing. What is being written aside (aside_of) counts, but stays: it
// belongs to somebody, who may have to wait for more of it. Unchanged for a day it is abandoned and
// goes, even where there is room.
void trim_folder(const std::string& path, uint64_t max_bytes);
// Files below `root`, as sorted relative paths.
absl::StatusOr<std::vector<std::string>> list_files(const std::string& root);
// A relative path that stays below its root: no "..", no leading "/", no empty part, no backslash
// or control character.
absl::Status check_relative_path(std::string_view path);
// Parsed JSON, or INVALID_ARGUMENT with the file and the place.
absl::StatusOr<Json> read_json(const std::string& path);

}  // namespace espalier
