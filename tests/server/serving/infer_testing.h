// Requests in few words.
#pragma once

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "inference/grpc_service.pb.h"
#include "server/serving/tensors.h"

namespace espalier::server {

using InferRequest = inference::ModelInferRequest;

inline InferRequest::InferInputTensor& add_input(InferRequest& request, const std::string& name,
                                                 const std::string& datatype,
                                                 std::vector<int64_t> shape) {
  auto* input = request.add_inputs();
  input->set_name(name);
  input->set_datatype(datatype);
  input->mutable_shape()->Assign(shape.begin(), shape.end());
  return *input;
}

inline void add_texts(InferRequest& request, const std::vector<std::string>& texts,
                      const std::string& name = "text") {
  auto& input = add_input(request, name, "BYTES", {static_cast<int64_t>(texts.size())});
  for (const std::string& text : texts) input.mutable_contents()->add_bytes_contents(text);
}

inline void add_raw_texts(InferRequest& request, const std::vector<std::string>& texts) {
  add_input(request, "text", "BYTES", {static_cast<int64_t>(texts.size()), 1});
  const std::vector<std::string_view> views(texts.begin(), texts.end());
  request.add_raw_input_contents(raw_bytes(views));
}

inline void add_integers(InferRequest& request, const std::string& name,
                         const std::vector<int64_t>& values, int64_t rows) {
  auto& input = add_input(request, name, "INT64",
                          {rows, static_cast<int64_t>(values.size()) / std::max<int64_t>(rows, 1)});
  input.mutable_contents()->mutable_int64_contents()->Assign(values.begin(), values.end());
}

inline InferRequest text_request(const std::vector<std::string>& texts) {
  InferRequest request;
  request.set_model_name("m");
  add_texts(request, texts);
  return request;
}

inline InferRequest id_request(const std::vector<int64_t>& ids, const std::vector<int64_t>& mask,
                               int64_t rows) {
  InferRequest request;
  request.set_model_name("m");
  add_integers(request, "input_ids", ids, rows);
  add_integers(request, "attention_mask", mask, rows);
  return request;
}

// Elements of raw little-endian bytes.
template <class T>
std::vector<T> values_of(const std::string& raw) {
  std::vector<T> values(raw.size() / sizeof(T));
  std::memcpy(values.data(), raw.data(), values.size() * sizeof(T));
  return values;
}

}  // namespace espalier::server
