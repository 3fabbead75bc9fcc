// A connection of a client that asks one thing at a time.
#pragma once

#include <chrono>
#include <functional>
#include <string>

#include "core/base/options.h"

namespace espalier::load {

enum class Fate {
  kAnswer,  // the client waits for its answer
  kCancel,  // it gives up while it waits
  kDie,     // it goes in the middle of its request
};

struct Ask {
  size_t body = 0;  // which of the bodies
  Fate fate = Fate::kAnswer;
  std::chrono::microseconds patience{};  // kCancel: from the request's end until it gives up
};

struct Result {
  std::string outcome;
  bool answered = false;   // 200 or OK
  bool no_server = false;  // nobody listens: worth a pause
  Json found;              // what was answered, where an answer is expected
};

class Lane {
 public:
  virtual ~Lane() = default;
  // `done` is called exactly once, on the thread that runs the I/O, never before this returns. Not
  // again before that.
  virtual void ask(const Ask& ask, std::function<void(Result)> done) = 0;
};

}  // namespace espalier::load
