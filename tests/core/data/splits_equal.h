// Splits with something in every field, and whether two of them are equal in every field.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "core/data/splits.h"

namespace espalier::testing {

inline Features window(std::vector<int32_t> ids, std::vector<int32_t> types, float target,
                       std::vector<Span> places) {
  Features out;
  out.input.ids = std::move(ids);
  out.input.types = std::move(types);
  out.target = {target};
  out.places = std::move(places);
  return out;
}

// A text, a text of masked language modelling, an image; `first` is the first word.
inline Splits sample_splits(int32_t first = 7) {
  Splits out;
  out.label_names = {"no", "", "sehr schön"};
  out.train.objective = Objective::kWords;
  out.train.truncated = 3;
  out.train.left_out = 2;
  const std::vector<float> words = {1.5f, -100}, three = {3};
  out.train.add(Input{{first, 2, 3}, {0, 0, 1}, {}, {}, 0}, words);
  out.train.add(Input{{4, -1}, {1, 1}, {0, 1}, {}, 0}, {});
  out.train.add(Input{{}, {}, {}, {0, 255, 9}, 5}, three);
  // Two windows of one question and one of another.
  out.select.objective = Objective::kSpan;
  const std::vector<std::string> answers = {"it", "stands"};
  Sample asked;
  asked.pair = "where it stands";
  asked.answers = answers;
  out.select.add(asked,
                 {window({1, 2}, {0, 1}, 1, {{-1, 0}, {3, 5}}), window({3}, {1}, 2, {{8, 9}})});
  out.select.add({}, {window({5}, {0}, 3, {{0, 2}})});
  out.unlabelled.add(Input{{6}, {0}, {}, {}, 0}, {});
  return out;
}

inline void expect_equal(const Examples& a, const Examples& b) {
  EXPECT_EQ(a.objective, b.objective);
  EXPECT_EQ(a.truncated, b.truncated);
  EXPECT_EQ(a.left_out, b.left_out);
  EXPECT_TRUE(std::ranges::equal(a.sample_of.items(), b.sample_of.items()));
  ASSERT_EQ(a.places.size(), b.places.size());
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.targets.size(), b.targets.size());
  for (int64_t i = 0; i < a.size(); ++i) {
    const Input x = a.input(i).copy(), y = b.input(i).copy();
    EXPECT_EQ(x.ids, y.ids);
    EXPECT_EQ(x.types, y.types);
    EXPECT_EQ(x.asked, y.asked);
    EXPECT_EQ(x.pixels, y.pixels);
    EXPECT_EQ(x.image_tokens, y.image_tokens);
    EXPECT_TRUE(std::ranges::equal(a.targets[i], b.targets[i])) << i;
    if (a.places.empty()) continue;
    EXPECT_TRUE(std::ranges::equal(a.places[i], b.places[i])) << i;
  }
  ASSERT_EQ(a.passages.size(), b.passages.size());
  for (int64_t i = 0; i < a.passages.size(); ++i) {
    EXPECT_EQ(a.passages.text(i), b.passages.text(i));
    EXPECT_EQ(a.passages.answers_of(i), b.passages.answers_of(i));
  }
}

inline void expect_equal(const Splits& a, const Splits& b) {
  EXPECT_EQ(a.label_names, b.label_names);
  expect_equal(a.train, b.train);
  expect_equal(a.select, b.select);
  expect_equal(a.calibrate, b.calibrate);
  expect_equal(a.report, b.report);
  expect_equal(a.unlabelled, b.unlabelled);
}

}  // namespace espalier::testing
