// Encoded splits as one file, so that the next job need not encode them. In this machine's byte
// order; whoever moves the file to another one encodes anew.
//
// The file is 16 bytes of magic, then columns, then 64 hex digits: the SHA-256 of all before. A
// column of numbers is its length and the numbers; a column of lists is its length, the end of each
// list among the items, and the items. Lengths, ends and single numbers have 8 bytes, and every
// column begins at a multiple of 8, so that the mapped file is read in place.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/data/splits.h"

namespace espalier {

// Bytes of the file that write_splits() would write.
uint64_t splits_file_size(const Splits& splits);
// Writes aside and renames: the file is whole or not there. Safe with other writers of the same.
absl::Status write_splits(const std::string& path, const Splits& splits);
// Maps the file and reads it once, for its digest. The columns of the splits are views of it, which
// hold the mapping, also when the file is removed: they need no memory that the system could not
// take back. NOT_FOUND, or DATA_LOSS for a file that is not as it was written.
absl::StatusOr<Splits> read_splits(const std::string& path);

}  // namespace espalier
