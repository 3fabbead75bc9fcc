// Texts that are kept and sent with every answer have a longest length: what says more is cut, and
// says so.
#pragma once

#include <string>
#include <string_view>

#include "espalier/v1/common.pb.h"
#include "espalier/v1/job.pb.h"

namespace espalier::server {

constexpr size_t kLongestWord = 128;  // bytes of a reason, a phase, an event's kind
constexpr size_t kLongestMessage =
    4096;  // bytes of a line for people; it may quote a file's header

// At most `most` bytes, without half a character of UTF-8 at the end.
std::string utf8_prefix(std::string_view text, size_t most);
// `text` where it has at most `most` bytes (64 or more); else its beginning and how much is
// missing:
// "... (1234 bytes left out)", together no longer than `most`. Bounding twice changes nothing.
std::string bounded(std::string_view text, size_t most);

// What a worker says about its job, in the worker before it is sent and in espalierd before it is
// kept.
void bound_texts(espalier::v1::Failure& failure);
void bound_texts(espalier::v1::Progress& progress);

}  // namespace espalier::server
