#include "core/model/token_rows.h"

#include <algorithm>

namespace espalier {
namespace {

// One number for every token: value(row, position).
template <class Value>
Tensor for_each_token(const TokenRows& rows, Value&& value) {
  std::vector<int64_t> out;
  out.reserve(static_cast<size_t>(rows.tokens()));
  for (int64_t row = 0; row < rows.count(); ++row) {
    for (int64_t t = 0; t < rows.lengths[static_cast<size_t>(row)]; ++t)
      out.push_back(value(row, t));
  }
  return torch::tensor(out, torch::kInt64).to(rows.first.device());
}

}  // namespace

TokenRows::TokenRows(std::vector<int64_t> lengths_, torch::Device device)
    : lengths(std::move(lengths_)), offsets({0}) {
  for (int64_t n : lengths) {
    offsets.push_back(offsets.back() + n);
    longest = std::max(longest, n);
  }
  first = torch::tensor(std::vector<int64_t>(offsets.begin(), offsets.end() - 1), torch::kInt64)
              .to(device);
}

Tensor TokenRows::row_of_token() const {
  return for_each_token(*this, [](int64_t row, int64_t) { return row; });
}

Tensor TokenRows::positions() const {
  return for_each_token(*this, [](int64_t, int64_t t) { return t; });
}

Tensor TokenRows::grid() const {
  return for_each_token(*this, [this](int64_t row, int64_t t) { return row * longest + t; });
}

Tensor TokenRows::key_mask() const {
  if (is_even()) return {};
  Tensor n = torch::tensor(lengths, torch::kInt64).unsqueeze(1);
  return (at::arange(longest).unsqueeze(0) < n).unsqueeze(1).unsqueeze(1).to(first.device());
}

std::vector<int64_t> TokenRows::tokens_of(const Tensor& rows) const {
  std::vector<int64_t> out;
  const int64_t* chosen = rows.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i) {
    for (int64_t t = offsets[chosen[i]]; t < offsets[chosen[i] + 1]; ++t) out.push_back(t);
  }
  return out;
}

std::vector<int64_t> TokenRows::lengths_of(const Tensor& rows) const {
  std::vector<int64_t> out;
  const int64_t* chosen = rows.const_data_ptr<int64_t>();
  for (int64_t i = 0; i < rows.size(0); ++i) out.push_back(lengths[chosen[i]]);
  return out;
}

Tensor row_means(const Tensor& x, const TokenRows& rows) {
  Tensor sums =
      at::zeros({rows.count(), x.size(1)}, x.options()).index_add(0, rows.row_of_token(), x);
  Tensor counts = torch::tensor(rows.lengths, torch::kInt64).to(x.options()).unsqueeze(1);
  return sums / counts;
}

}  // namespace espalier
