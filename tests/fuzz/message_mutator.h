// Changes of a protobuf message, field by field, so that what comes out still parses.
#pragma once

#include <google/protobuf/message.h>

#include <span>
#include <string>

#include "core/base/random.h"

namespace espalier::fuzz {

// One to four changes anywhere in the message: a field set, cleared, added to, an entry of it
// doubled, dropped or moved. Strings are made of `words` and stay UTF-8.
void mutate_message(google::protobuf::Message& message, std::span<const std::string> words,
                    Random& random);

}  // namespace espalier::fuzz
