#include "core/spec/safetensors_header.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "core/base/options.h"

namespace espalier {
namespace {

constexpr size_t kMaxDimensions = 16, kMaxNameBytes = 1024;

// Depth 1: tensor names. Depth 2: the fields of one tensor, or of __metadata__. Then lists of
// numbers.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  explicit HeaderReader(SafetensorsHeader& out) : out_(out) {}
  const std::string& error() const { return error_; }

  bool start_object(std::size_t) override {
    if (in_list_ || depth_ >= 2 || (depth_ == 1 && name_.empty()))
      return fail("nests deeper than it may");
    ++depth_;
    seen_fields_.clear();
    return true;
  }
  bool end_object() override {
    if (depth_-- == 2 && !in_metadata()) return end_tensor();
    return true;
  }
  bool key(string_t& text) override {
    if (text.empty() || text.size() > kMaxNameBytes) return fail("has an empty or overlong name");
    if (depth_ == 1) {
      name_ = text;
      info_ = TensorInfo{};
      offsets_.clear();
      return names_.insert(text).second || fail(absl::StrCat("names ", text, " twice"));
    }
    field_ = text;
    return seen_fields_.insert(text).second ||
           fail(absl::StrCat("names ", text, " twice in ", name_));
  }
  bool string(string_t& text) override {
    if (depth_ != 2 || in_list_) return unexpected("a string");
    if (in_metadata()) {
      out_.metadata[field_] = text;
    } else if (field_ == "dtype") {
      info_.dtype = text;
    } else {
      return unexpected("a string");
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (depth_ != 2 || in_metadata() || in_list_ ||
        (field_ != "shape" && field_ != "data_offsets")) {
      return unexpected("a list");
    }
    return in_list_ = true;
  }
  bool end_array() override {
    in_list_ = false;
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (!in_list_) return unexpected("a number");
    if (field_ == "shape") {
      if (value > INT64_MAX || info_.shape.size() >= kMaxDimensions) {
        return fail(absl::StrCat("has a shape out of range for ", name_));
      }
      info_.shape.push_back(static_cast<int64_t>(value));
    } else {
      if (offsets_.size() >= 2)
        return fail(absl::StrCat("has more than two data_offsets for ", name_));
      offsets_.push_back(value);
    }
    return true;
  }
  bool number_integer(number_integer_t value) override {
    return fail(absl::StrCat("holds ", value, " in the ", field_, " of ", name_,
                             "; negative numbers mean nothing there"));
  }
  bool number_float(number_float_t, const string_t& text) override {
    return fail(absl::StrCat("holds ", text, " in the ", field_, " of ", name_,
                             ", which is no integer in range"));
  }
  bool null() override { return unexpected("null"); }
  bool boolean(bool) override { return unexpected("a boolean"); }
  bool binary(binary_t&) override { return unexpected("bytes"); }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::detail::exception&) override {
    return fail(absl::StrCat("is no valid JSON at byte ", position));
  }

 private:
  bool in_metadata() const { return name_ == "__metadata__"; }
  bool fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return false;
  }
  bool unexpected(const char* what) {
    if (depth_ == 0) return fail(absl::StrCat("is ", what, " where an object of tensors belongs"));
    return fail(absl::StrCat("has ", what, " where it does not belong, in ", name_));
  }
  bool end_tensor() {
    if (info_.dtype.empty() || seen_fields_.count("shape") == 0 || offsets_.size() != 2) {
      return fail(absl::StrCat("lacks dtype, shape or two data_offsets for ", name_));
    }
    info_.begin = offsets_[0];
    info_.end = offsets_[1];
    out_.tensors.emplace(name_, info_);
    return true;
  }

  SafetensorsHeader& out_;
  std::string error_, name_, field_;
  int depth_ = 0;
  bool in_list_ = false;
  TensorInfo info_;
  std::vector<uint64_t> offsets_;
  std::set<std::string> names_, seen_fields_;
};

}  // namespace

absl::StatusOr<SafetensorsHeader> parse_safetensors_header(std::string_view json) {
  SafetensorsHeader out;
  HeaderReader reader(out);
  if (!Json::sax_parse(json.begin(), json.end(), &reader)) {
    return absl::InvalidArgumentError(
        absl::StrCat("the header ", reader.error().empty() ? "is no valid JSON" : reader.error()));
  }
  return out;
}

}  // namespace espalier
