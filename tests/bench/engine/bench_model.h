// What the programs of this folder have in common: their settings, and the model as it is served.
#pragma once

#include <map>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "core/model/batch.h"
#include "core/model/model.h"
#include "core/spec/precision.h"

namespace espalier::bench {

using Settings = std::map<std::string, std::string>;

// main() of a program that is called with a model's folder and words key=value.
int main_of(const std::string& program, std::span<char* const> arguments,
            absl::Status (*run)(const std::string& folder, std::span<char* const> words));

// Words key=value over the defaults, which are all the keys there are.
absl::StatusOr<Settings> read_settings(std::span<char* const> words, Settings defaults);
absl::StatusOr<Precision> read_precision(const std::string& name);

// A Hugging Face folder's model, its weights as an artifact of that precision would hold them. Two
// classes where it brings no head.
absl::StatusOr<Model> load_served(const std::string& folder, Precision precision);

// Texts of one segment, of JSON [[ids]].
Batch batch_of(const Json& rows);

}  // namespace espalier::bench
