#include "core/distill/skdbert.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <limits>

#include "core/base/guard.h"
#include "core/base/random.h"
#include "core/distill/soft_labels.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::max_gap;
using testing::tiny_batch;
using testing::tiny_model;
using testing::Workbench;

// A training with several teachers, as good as `figures` say and named by their places.
struct School {
  Workbench bench{4};
  std::vector<Teacher> teachers;
  Model student = tiny_model();
  SkdBert method;
  std::unique_ptr<Trainer> trainer;  // has prepared the distiller

  School(const SkdBert::Options& options, const std::vector<double>& figures) : method(options) {
    for (size_t i = 0; i < figures.size(); ++i)
      teachers.push_back({tiny_model(2 + i), std::string("teacher ") + char('0' + i), figures[i]});
    for (const Teacher& teacher : teachers) bench.training.teachers.push_back(&teacher);
    bench.training.select = nullptr;
    bench.training.distillers = {&method};
    trainer = std::make_unique<Trainer>(student, bench.training);
  }
  size_t drawn_at(int64_t step) {
    method.before_step(*trainer, Step{step, 1000, {}});
    return method.drawn();
  }
};

std::vector<double> chances_of(const std::string& sampling, const std::vector<double>& figures) {
  return School({.sampling = sampling}, figures).method.chances();
}

TEST(SkdBert, ChancesAreRanksOverTheirSum) {
  const std::vector<double> expected = {1.0 / 6, 3.0 / 6, 2.0 / 6};
  EXPECT_EQ(rank_chances({0.70, 0.95, 0.80}), expected);
  // Both at rank 2.5 of 1, 2, 3.
  const std::vector<double> shared = {1.0 / 6, 2.5 / 6, 2.5 / 6};
  EXPECT_EQ(rank_chances({0.70, 0.95, 0.95}), shared);
  EXPECT_EQ(rank_chances({0.3}), std::vector<double>{1});
}

TEST(SkdBert, ChancesComeFromFiguresOrFromTheListOrAreEqual) {
  const std::vector<double> figures = {91, 83, 88};
  const std::vector<double> by_figure = {3.0 / 6, 1.0 / 6, 2.0 / 6},
                            by_list = {1.0 / 6, 2.0 / 6, 3.0 / 6}, equal(3, 1.0 / 3);
  EXPECT_EQ(chances_of("teacher_rank", figures), by_figure);
  EXPECT_EQ(chances_of("listed", figures), by_list);
  EXPECT_EQ(chances_of("uniform", figures), equal);
}

TEST(SkdBert, DrawsByTheChances) {
  const std::vector<double> chances = {1.0 / 6, 3.0 / 6, 2.0 / 6};
  std::vector<int> drawn(3, 0);
  constexpr int kDraws = 6000;  // the standard deviation of a share is at most 0.0065
  for (int i = 0; i < kDraws; ++i)
    ++drawn[drawn_teacher(chances, derive_seed(1, "prune", i, 0, "skdbert"))];
  for (size_t i = 0; i < chances.size(); ++i)
    EXPECT_NEAR(drawn[i] / static_cast<double>(kDraws), chances[i], 0.03) << i;
  EXPECT_EQ(drawn_teacher({1}, 7), 0u);
}

TEST(SkdBert, TheDrawIsAFunctionOfTheStepAlone) {
  School one({}, {1, 2, 3}), other({}, {1, 2, 3});
  std::vector<size_t> forward, backward(20);
  for (int64_t step = 0; step < 20; ++step) forward.push_back(one.drawn_at(step));
  for (int64_t step = 19; step >= 0; --step)
    backward[static_cast<size_t>(step)] = other.drawn_at(step);
  EXPECT_EQ(forward, backward);
  for (size_t teacher = 0; teacher < 3; ++teacher)
    EXPECT_TRUE(std::count(forward.begin(), forward.end(), teacher) > 0) << teacher;
}

// Remembers who was asked.
struct AskedTeachers : Teachers {
  const std::vector<Trace>& traces;
  std::vector<size_t> asked;
  explicit AskedTeachers(const std::vector<Trace>& traces) : traces(traces) {}
  size_t count() const override { return traces.size(); }
  const Trace& trace(size_t teacher) override {
    asked.push_back(teacher);
    return traces.at(teacher);
  }
};

TEST(SkdBert, AsksTheDrawnTeacherAlone) {
  School school({.temperature = 3, .weight = 2}, {1, 2, 3});
  const Batch batch = tiny_batch(school.bench.examples, 8);
  const auto walked = [&](const Model& model) {
    TrainBackend backend(model);
    return walk(backend, batch);
  };
  torch::NoGradGuard no_grad;
  std::vector<Trace> traces;
  for (const Teacher& teacher : school.teachers) traces.push_back(walked(teacher.model));
  const Trace student = walked(school.student);
  const Gates gates;
  for (int64_t index = 0; index < 6; ++index) {
    const size_t drawn = school.drawn_at(index);
    const Step step{index, 1000, std::span<const Batch>(&batch, 1)};
    AskedTeachers teachers(traces);
    const Pass pass{step, batch, gates, student, teachers};
    const Tensor expected = kl_with_temperature(student.logits, traces[drawn].logits, 3) * 2;
    EXPECT_EQ(school.method.loss(pass).item<double>(), expected.item<double>());
    // Several sets of gates ask once each, and get the same teacher.
    EXPECT_EQ(school.method.loss(pass).item<double>(), expected.item<double>());
    EXPECT_EQ(teachers.asked, (std::vector<size_t>{drawn, drawn}));
  }
}

TEST(SkdBert, WithOneTeacherIsSoftLabels) {
  SkdBert drawn{{}};
  SoftLabels plain{{}};
  Lesson one(drawn, tiny_model(), tiny_model(2), 4), other(plain, tiny_model(), tiny_model(2), 4);
  EXPECT_EQ(one.train(), other.train());
  const auto expected = other.student.tensors();
  for (const auto& [name, tensor] : one.student.tensors())
    EXPECT_EQ(max_gap(tensor, expected.at(name)), 0) << name;
}

std::string refusal_of(const std::function<void()>& tried, absl::StatusCode code) {
  try {
    tried();
  } catch (const StatusError& error) {
    EXPECT_EQ(error.status().code(), code);
    return std::string(error.status().message());
  }
  return "nothing was refused";
}

TEST(SkdBert, RefusesARankOfTeachersWithoutFigures) {
  const double none = std::numeric_limits<double>::quiet_NaN();
  const std::string message = refusal_of(
      [&] {
        School({.sampling = "teacher_rank"}, {91, none});
      },
      absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(message.find("\"teacher 1\" has no figure"), std::string::npos) << message;
  EXPECT_NE(message.find("\"listed\""), std::string::npos) << message;
  EXPECT_EQ(chances_of("listed", {91, none}).size(), 2u);
}

TEST(SkdBert, RefusesATeacherOfOtherClasses) {
  SkdBert method{{}};
  const std::string message =
      refusal_of([&] { Lesson(method, tiny_model(1, 3), tiny_model(2, 2)); },
                 absl::StatusCode::kInvalidArgument);
  EXPECT_NE(message.find("3 classes, the teacher \"teacher\" 2"), std::string::npos) << message;
}

TEST(SkdBert, IsLearned) {
  SkdBert method{{}};
  Lesson lesson(method);
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.9 * before);
}

}  // namespace
}  // namespace espalier
