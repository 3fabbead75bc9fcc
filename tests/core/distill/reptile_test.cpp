#include "core/distill/reptile.h"

#include <gtest/gtest.h>
#include <torch/nn/functional/loss.h>
#include <torch/nn/utils/clip_grad.h>
#include <torch/optim/adamw.h>

#include <cmath>

#include "core/base/guard.h"
#include "tests/core/distill/lesson.h"

namespace espalier {
namespace {

using testing::Lesson;
using testing::max_gap;
using testing::shaped_model;
using testing::tiny_batch;
using testing::tiny_model;

TEST(Reptile, MovesTheLayersThatThePaperMoves) {
  using Movers = std::vector<int>;
  EXPECT_EQ(layer_movers("skip", 6, 12), (Movers{-1, 0, -1, 1, -1, 2, -1, 3, -1, 4, -1, 5}));
  EXPECT_EQ(layer_movers("first", 6, 12), (Movers{0, 1, 2, 3, 4, 5, -1, -1, -1, -1, -1, -1}));
  EXPECT_EQ(layer_movers("last", 6, 12), (Movers{-1, -1, -1, -1, -1, -1, 0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(layer_movers("both", 6, 12), (Movers{0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}));
  for (const char* layers : {"skip", "first", "last", "both"})
    EXPECT_EQ(layer_movers(layers, 3, 3), (Movers{0, 1, 2})) << layers;
}

TEST(Reptile, ADeeperStudentMovesItsTeacherByThePickedLayers) {
  using Movers = std::vector<int>;
  EXPECT_EQ(layer_movers("skip", 4, 2), (Movers{1, 3}));
  EXPECT_EQ(layer_movers("first", 4, 2), (Movers{0, 1}));
  EXPECT_EQ(layer_movers("last", 4, 2), (Movers{2, 3}));
  EXPECT_EQ(layer_movers("both", 4, 2), (Movers{0, 2}));
}

TEST(Reptile, TheStepAheadIsAdamWsFirstOneSparseOrNot) {
  const Tensor weight = torch::tensor({1.0, -2.0, 3.0, 4.0, 0.5, 0.0}).view({3, 2});
  const Tensor grad = torch::tensor({0.3, -0.2, 0.0, 0.0, 1e-8, -4.0}).view({3, 2});
  Tensor moved = weight.clone().set_requires_grad(true);
  torch::optim::AdamW optimiser({moved}, torch::optim::AdamWOptions(0.1).weight_decay(0.5));
  moved.mutable_grad() = grad * 0.25;
  optimiser.step();
  const Tensor scale = torch::tensor(0.25);
  const AdamWStep step{0.1, 0.5};
  EXPECT_LE(max_gap(after_first_step(weight, grad, scale, step), moved.detach()), 1e-6);
  const Tensor rows = grad.to_sparse(1).coalesce();
  ASSERT_EQ(rows._nnz(), 2);
  EXPECT_LE(max_gap(after_first_step(weight, rows, scale, step), moved.detach()), 1e-6);
  EXPECT_EQ(weight[0][0].item<double>(), 1);
}

// A student of two of the tiny model's layers.
Model two_layers(uint64_t seed) {
  Model model = tiny_model(seed);
  model.layers.pop_back();
  model.config.layers.pop_back();
  return model;
}

// The three steps by LibTorch's own optimiser on copies, written down as the paper's Algorithm 1
// is: nothing of it is shared with the distiller but the walk. The student has 2 layers, its
// teacher 3.
class ByTheBook {
 public:
  ByTheBook(const Model& student, const Model& teacher, const Batch& batch)
      : student_(student.clone()), teacher_(teacher.clone()), batch_(batch) {
    student_.set_requires_grad(true);
    teacher_.set_requires_grad(true);
    student_steps_ = adamw(student_);
    teacher_steps_ = adamw(teacher_);
  }
  void step() {
    Model ahead = student_.clone();
    ahead.set_requires_grad(true);
    descend(ahead, *adamw(ahead));
    teacher_steps_->zero_grad();
    std::vector<Tensor> moved;
    const auto from = ahead.tensors();
    for (auto& [name, tensor] : teacher_.tensors()) {
      const std::string source = mover_of(name);
      if (source.empty()) continue;
      Tensor own = tensor;
      own.mutable_grad() = own.detach() - from.at(source).detach();
      moved.push_back(own);
    }
    torch::nn::utils::clip_grad_norm_(moved, 1.0);
    teacher_steps_->step();
    descend(student_, *student_steps_);
  }
  const Model& student() const { return student_; }
  const Model& teacher() const { return teacher_; }

  static constexpr double kRate = 1e-2, kDecay = 0.1;

 private:
  static std::unique_ptr<torch::optim::AdamW> adamw(const Model& model) {
    std::vector<Tensor> decayed, plain;
    for (const auto& [name, tensor] : model.tensors()) {
      const bool decays = !name.ends_with(".bias") && name.find("norm") == std::string::npos;
      (decays ? decayed : plain).push_back(tensor);
    }
    const auto options = [](double decay) {
      return std::make_unique<torch::optim::AdamWOptions>(
          torch::optim::AdamWOptions(kRate).weight_decay(decay));
    };
    std::vector<torch::optim::OptimizerParamGroup> groups;
    groups.emplace_back(decayed, options(kDecay));
    groups.emplace_back(plain, options(0));
    return std::make_unique<torch::optim::AdamW>(groups);
  }
  // Of 2 layers and 3, evenly spread: 0 moves 1, and 1 moves 2.
  static std::string mover_of(std::string name) {
    if (name.starts_with("layers.0.")) return "";
    if (name.starts_with("layers.1.")) return name.replace(7, 1, "0");
    if (name.starts_with("layers.2.")) return name.replace(7, 1, "1");
    return name;
  }
  void descend(const Model& model, torch::optim::AdamW& steps) {
    namespace F = torch::nn::functional;
    TrainBackend learns(model), teaches(teacher_);
    Tensor taught;
    {
      torch::NoGradGuard no_grad;
      taught = walk(teaches, batch_).logits;
    }
    const Tensor logits = walk(learns, batch_).logits;
    const Tensor apart = F::kl_div(at::log_softmax(logits / 5, -1), at::softmax(taught / 5, -1),
                                   F::KLDivFuncOptions().reduction(torch::kBatchMean));
    steps.zero_grad();
    (0.5 * at::cross_entropy_loss(logits, batch_.labels) + 0.5 * 25 * apart).backward();
    std::vector<Tensor> all;
    for (auto& [name, tensor] : model.tensors()) {
      if (tensor.grad().defined() && tensor.grad().is_sparse())
        tensor.mutable_grad() = tensor.grad().to_dense();
      all.push_back(tensor);
    }
    torch::nn::utils::clip_grad_norm_(all, 1.0);
    steps.step();
  }

  Model student_, teacher_;
  const Batch& batch_;
  std::unique_ptr<torch::optim::AdamW> student_steps_, teacher_steps_;
};

// Each tensor has moved from `start` as far as in `expected`, within a hundredth of the way.
void expect_moved_alike(const Model& found, const Model& expected, const Model& start) {
  const auto all = expected.tensors(), before = start.tensors();
  for (const auto& [name, tensor] : found.tensors()) {
    // Attention does not depend on it: its gradient is rounding, of which AdamW makes steps.
    if (name.ends_with("key.bias")) continue;
    const double way = (all.at(name) - before.at(name)).detach().norm().item<double>();
    const double gap = (tensor - all.at(name)).detach().norm().item<double>();
    EXPECT_LE(gap, 0.01 * way + 1e-7) << name;
  }
}

// A training in which every step sees all rows, without what is not in the paper.
struct Course {
  testing::Workbench bench{3};
  Model student;
  Teacher teacher;
  std::unique_ptr<Trainer> trainer;

  explicit Course(Reptile& method, const State* resume = nullptr, const Model* at = nullptr)
      : student(at != nullptr ? at->clone() : two_layers(1)), teacher{tiny_model(2), "teacher"} {
    TrainingSpec& spec = bench.spec();
    spec.batch_size = spec.micro_batch_size = static_cast<int>(bench.examples.size());
    spec.learning_rate = ByTheBook::kRate;
    spec.weight_decay = ByTheBook::kDecay;
    spec.schedule = ScheduleKind::kConstant;
    spec.warmup = spec.dropout = 0;
    bench.training.select = nullptr;
    bench.training.teachers = {&teacher};
    bench.training.distillers = {&method};
    trainer = std::make_unique<Trainer>(student, bench.training, resume);
  }
};

TEST(Reptile, TakesThePapersThreeSteps) {
  Reptile method{{.weight_decay = ByTheBook::kDecay}};
  Course course(method);
  const Batch all =
      tiny_batch(course.bench.examples, static_cast<int>(course.bench.examples.size()));
  ByTheBook book(course.student, course.teacher.model, all);
  const Model student = course.student.clone(), teacher = course.teacher.model.clone();
  for (int i = 0; i < 3; ++i) {
    course.trainer->step();
    book.step();
    expect_moved_alike(course.student, book.student(), student);
    expect_moved_alike(method.teacher(), book.teacher(), teacher);
  }
  EXPECT_GT(max_gap(method.teacher().layers[1].up.weight, teacher.layers[1].up.weight), 0.01);
}

TEST(Reptile, LeavesTheSessionsTeacherAndUnpairedLayersAlone) {
  Reptile method{{}};
  Course course(method);
  const auto before = course.teacher.model.clone().tensors();
  while (!course.trainer->done()) course.trainer->step();
  const auto session = course.teacher.model.tensors(), own = method.teacher().tensors();
  for (const auto& [name, tensor] : before) {
    EXPECT_EQ(max_gap(tensor, session.at(name)), 0) << name;
    const bool unpaired = name.starts_with("layers.0.");
    EXPECT_EQ(max_gap(tensor, own.at(name)) == 0, unpaired) << name;
    EXPECT_EQ(own.at(name).is_same(session.at(name)), unpaired) << name;
  }
}

TEST(Reptile, ResumesToTheSameBits) {
  Reptile whole{{}}, begun{{}}, resumed{{}};
  Course undisturbed(whole), first(begun);
  while (!undisturbed.trainer->done()) undisturbed.trainer->step();
  first.trainer->step();
  State state;
  first.trainer->save(state);
  for (auto& [name, tensor] : state.tensors) tensor = tensor.detach().clone();
  state.json = Json::parse(state.json.dump());
  Course second(resumed, &state, &first.student);
  while (!second.trainer->done()) second.trainer->step();
  EXPECT_EQ(undisturbed.trainer->metrics(), second.trainer->metrics());
  const auto student = second.student.tensors(), teacher = resumed.teacher().tensors();
  for (const auto& [name, tensor] : undisturbed.student.tensors())
    EXPECT_TRUE(at::equal(tensor, student.at(name))) << name;
  for (const auto& [name, tensor] : whole.teacher().tensors())
    EXPECT_TRUE(at::equal(tensor, teacher.at(name))) << name;
}

struct UnaskedTeachers : Teachers {
  size_t count() const override { return 1; }
  const Trace& trace(size_t) override { throw std::logic_error("the session's teacher was asked"); }
};

// The distiller's loss on the lesson's batch in step `index`, with a graph.
double loss_with_graph(Lesson& lesson, int64_t index) {
  TrainBackend backend(lesson.student);
  const Trace student = walk(backend, lesson.batch);
  const Step step{index, 100, std::span<const Batch>(&lesson.batch, 1), 1e-2};
  const Gates gates;
  UnaskedTeachers teachers;
  return lesson.distiller.loss({step, lesson.batch, gates, student, teachers}).item<double>();
}

TEST(Reptile, MovesTheTeacherOnceAStep) {
  Reptile method{{}};
  Lesson lesson(method);
  const auto weight = [&] { return method.teacher().layers[1].up.weight.clone(); };
  const Tensor before = weight();
  const double loss = loss_with_graph(lesson, 5);
  const Tensor moved = weight();
  EXPECT_GT(max_gap(before, moved), 1e-3);
  EXPECT_EQ(loss_with_graph(lesson, 5), loss);  // another set of gates
  EXPECT_EQ(max_gap(weight(), moved), 0);
  EXPECT_NE(loss_with_graph(lesson, 6), loss);
  EXPECT_GT(max_gap(weight(), moved), 1e-3);
  for (const auto& [name, tensor] : lesson.student.tensors())
    EXPECT_FALSE(tensor.grad().defined()) << name;  // the trainer's are its own business
}

TEST(Reptile, RestsWhileNothingOfTheStudentLearns) {
  Reptile method{{}};
  Lesson lesson(method);
  lesson.student.set_requires_grad(false);
  const Tensor before = method.teacher().layers[1].up.weight.clone();
  loss_with_graph(lesson, 5);
  EXPECT_EQ(max_gap(method.teacher().layers[1].up.weight, before), 0);
}

TEST(Reptile, TheTeacherStaysAsItHasBecomeWhenTheStudentLosesItsWidth) {
  Reptile method{{}}, later{{}}, fresh{{}};
  Course course(method);
  while (!course.trainer->done()) course.trainer->step();
  State state;
  method.save(state);
  Gates gates;
  gates.hidden = at::ones({16});
  gates.hidden[3].fill_(0);
  const Model folded = fold(course.student, gates);
  later.load(state);
  Course recovery(later, nullptr, &folded);
  while (!recovery.trainer->done()) recovery.trainer->step();
  const auto expected = method.teacher().tensors();
  for (const auto& [name, tensor] : later.teacher().tensors())
    EXPECT_TRUE(at::equal(tensor, expected.at(name))) << name;
  EXPECT_THROW(Course(fresh, nullptr, &folded), StatusError);
}

TEST(Reptile, GoesOnWithWhatStillFitsAfterAFold) {
  Reptile method{{}}, later{{}};
  Course course(method);
  course.trainer->step();
  State state;
  method.save(state);
  Gates gates;
  gates.neuron = at::ones({2, 24});
  gates.neuron[0][5].fill_(0);
  const Model folded = fold(course.student, gates);
  later.load(state);
  Course recovery(later, nullptr, &folded);
  recovery.trainer->step();
  const Model &before = method.teacher(), &after = later.teacher();
  EXPECT_EQ(max_gap(after.layers[1].up.weight, before.layers[1].up.weight), 0);
  EXPECT_GT(max_gap(after.layers[2].up.weight, before.layers[2].up.weight), 0);
  EXPECT_GT(max_gap(after.layers[1].query.weight, before.layers[1].query.weight), 0);
}

TEST(Reptile, RefusesATeacherOfAnotherWidthAndSaysBoth) {
  Reptile method{{}};
  try {
    Lesson(method, tiny_model(), shaped_model(5, 6, 2));
    FAIL() << "nothing was refused";
  } catch (const StatusError& error) {
    const std::string message(error.status().message());
    EXPECT_NE(message.find("3 layers of hidden width 16"), std::string::npos) << message;
    EXPECT_NE(message.find("5 layers of hidden width 24"), std::string::npos) << message;
    EXPECT_NE(message.find("soft_labels"), std::string::npos) << message;
  }
}

TEST(Reptile, RefusesTheStateOfAnotherTeacher) {
  Reptile method{{}}, other{{}};
  Lesson lesson(method, tiny_model(), shaped_model(5, 4, 2));
  State state;
  method.save(state);
  other.load(state);
  EXPECT_THROW(Lesson(other, tiny_model(), shaped_model(3, 4, 2)), StatusError);
}

TEST(Reptile, TeachesNumbersToo) {
  Reptile method{{}};
  testing::Workbench bench(3);
  bench.task = *make_task("regression");
  bench.examples.objective = Objective::kValue;
  bench.training.task = bench.task.get();
  bench.training.select = nullptr;
  bench.training.distillers = {&method};
  const Teacher teacher{tiny_model(2, 1), "teacher"};
  bench.training.teachers = {&teacher};
  Model student = tiny_model(1, 1);
  Trainer trainer(student, bench.training);
  while (!trainer.done()) trainer.step();
  EXPECT_TRUE(std::isfinite(trainer.metrics().at("loss")));
  EXPECT_GT(max_gap(method.teacher().classifier.weight, teacher.model.classifier.weight), 1e-4);
}

TEST(Reptile, NeedsTheWholeBatch) {
  const Reptile method{{.alpha = 0.7}};
  EXPECT_TRUE(method.needs().whole_batch && method.needs().teachers && method.needs().answers);
  EXPECT_NEAR(method.task_weight({}), 0.3, 1e-12);
}

TEST(Reptile, IsLearned) {
  Reptile method{{}};
  Lesson lesson(method);
  const auto [before, after] = lesson.train();
  EXPECT_LT(after, 0.9 * before);
}

}  // namespace
}  // namespace espalier
