// Splits with something in every field, and whether two of them are equal in every field.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "core/data/splits.h"

namespace espalier::testing {

// A text, a text of masked language modelling, an image; `first` is the first word.
inline Splits sample_splits(int32_t first = 7) {
  Splits out;
  out.label_names = {"no", "", "sehr schön"};
  out.train.objective = Objective::kWords;
  out.train.truncated = 3;
  out.train.left_out = 2;
  out.train.inputs = {{{first, 2, 3}, {0, 0, 1}, {}, {}, 0},
                      {{4, -1}, {1, 1}, {0, 1}, {}, 0},
                      {{}, {}, {}, {0, 255, 9}, 5}};
  out.train.targets.add(std::vector<float>{1.5f, -100});
  out.train.targets.add_unknown();
  out.train.targets.add(3);
  // Two windows of one question and one of another.
  out.select.objective = Objective::kSpan;
  out.select.inputs = {{{1, 2}, {0, 1}, {}, {}, 0}, {{3}, {1}, {}, {}, 0}, {{5}, {0}, {}, {}, 0}};
  out.select.targets = {1, 2, 3};
  out.select.sample_of = {0, 0, 1};
  out.select.places = {{{-1, 0}, {3, 5}}, {{8, 9}}, {{0, 2}}};
  out.select.passages = {{"where it stands", {"it", "stands"}}, {"", {}}};
  out.unlabelled.inputs = {{{6}, {0}, {}, {}, 0}};
  out.unlabelled.targets.add_unknown();
  return out;
}

inline void expect_equal(const Examples& a, const Examples& b) {
  EXPECT_EQ(a.objective, b.objective);
  EXPECT_EQ(a.truncated, b.truncated);
  EXPECT_EQ(a.left_out, b.left_out);
  EXPECT_EQ(a.sample_of, b.sample_of);
  EXPECT_EQ(a.places, b.places);
  ASSERT_EQ(a.size(), b.size());
  ASSERT_EQ(a.targets.size(), b.targets.size());
  for (int64_t i = 0; i < a.size(); ++i) {
    const Input &x = a.inputs[static_cast<size_t>(i)], &y = b.inputs[static_cast<size_t>(i)];
    EXPECT_EQ(x.ids, y.ids);
    EXPECT_EQ(x.types, y.types);
    EXPECT_EQ(x.asked, y.asked);
    EXPECT_EQ(x.pixels, y.pixels);
    EXPECT_EQ(x.image_tokens, y.image_tokens);
    EXPECT_TRUE(std::ranges::equal(a.targets[i], b.targets[i])) << i;
  }
  ASSERT_EQ(a.passages.size(), b.passages.size());
  for (size_t i = 0; i < a.passages.size(); ++i) {
    EXPECT_EQ(a.passages[i].text, b.passages[i].text);
    EXPECT_EQ(a.passages[i].answers, b.passages[i].answers);
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
