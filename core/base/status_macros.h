// Early return on a bad absl::Status. The names carry the project, so that they clash with
// nobody's.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#define ESPALIER_RETURN_IF_ERROR(expression)                                \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

#define ESPALIER_CONCAT_INNER(a, b) a##b
#define ESPALIER_CONCAT(a, b) ESPALIER_CONCAT_INNER(a, b)
// ESPALIER_ASSIGN_OR_RETURN(auto x, f()): x = value of f(), or return its status.
#define ESPALIER_ASSIGN_OR_RETURN(lhs, expression) \
  ESPALIER_ASSIGN_OR_RETURN_IMPL(ESPALIER_CONCAT(status_or_, __LINE__), lhs, expression)
#define ESPALIER_ASSIGN_OR_RETURN_IMPL(name, lhs, expression) \
  auto name = (expression);                                   \
  if (!name.ok()) return std::move(name).status();            \
  lhs = *std::move(name)
