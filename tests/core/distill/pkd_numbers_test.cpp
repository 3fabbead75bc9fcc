// Numbers of the PKD authors' own code (intersun/PKD-for-BERT-Model-Compression at 9e9e860,
// src/KD_loss.py), run in float64.
//
// How they were made: 500 patience_loss(teacher, student, True) of 4 rows, 5 layers and 16 values,
// the states of first tokens in the waves below (rows of 2, 3, 1 and 4 tokens), of student layers 0
// to 4 and of teacher layers 1 3 5 7 9, or 6 7 8 9 10; printed with sketches of the gradients that
// backward() left. Its .float() and .half() did nothing there; as released it rounds its result,
// and no gradient, to half precision. And distillation_loss() of 5 rows of 2 or 3 classes, the i-th
// label i mod classes, alpha 0.7.
//
// Where we differ: their KL is also divided by the number of classes.
#include <gtest/gtest.h>

#include "core/distill/pkd.h"
#include "core/distill/soft_labels.h"
#include "tests/core/distill/lesson.h"
#include "tests/testing/wave.h"

namespace espalier {
namespace {

using testing::expect_sketch;
using testing::Sketch;
using testing::trained_wave;
using testing::wave;

struct PatienceCase {
  const char* layers;
  double loss, released;  // the latter in half precision and without the weight
  Sketch first_grad, fifth_grad;
};

const PatienceCase kPatienceCases[] = {
    {"skip",
     6.040158122850e+01,
     0.12078857421875,
     {-6.735469843709e-01, -4.301287738538e-02, 4.046154953191e-01},
     {1.528609149391e+00, -3.386248903771e-01, 3.143492855921e-01}},
    {"last",
     7.084775843024e+01,
     0.1417236328125,
     {-1.080227798382e+00, 8.960492453588e-01, 4.022482720255e-01},
     {1.493645591031e+00, -2.718554242705e-01, 3.890110627849e-01}},
};

TEST(PkdNumbers, OfThePatientLossAreTheAuthors) {
  for (const PatienceCase& expected : kPatienceCases) {
    SCOPED_TRACE(expected.layers);
    Pkd method{{.weight = 500, .layers = expected.layers}};
    testing::Lesson lesson(method, testing::shaped_model(6, 4, 1), testing::shaped_model(12, 4, 2));
    Batch batch;
    batch.lengths = {2, 3, 1, 4};
    Trace student, taught;
    for (int i = 0; i < 6; ++i) student.hidden.push_back(trained_wave({10, 16}, 0.37, 0.1 + i));
    for (int i = 0; i < 12; ++i) taught.hidden.push_back(wave({10, 16}, 0.41, 0.5 + i, 2));
    testing::OneTeacher teacher(taught);
    const Step step{0, 60, std::span<const Batch>(&batch, 1)};
    const Gates gates;
    const Tensor loss = method.loss({step, batch, gates, student, teacher});
    EXPECT_NEAR(loss.item<double>(), expected.loss, 1e-9);
    EXPECT_NEAR(loss.item<double>() / 500, expected.released, expected.released / 2048);
    loss.backward();
    expect_sketch(student.hidden[0].grad(), expected.first_grad, 1e-9);
    expect_sketch(student.hidden[4].grad(), expected.fifth_grad, 1e-9);
    EXPECT_FALSE(student.hidden[5].grad().defined());
  }
}

struct AnswersCase {
  int64_t classes;
  double temperature;
  double loss, kl, cross_entropy;
  Sketch grad;
};

const AnswersCase kAnswersCases[] = {
    {2,
     1,
     0.553238019772,
     0.232949178612,
     1.300578649145,
     {0, -1.071644153690e-02, 1.003230713511e-01}},
    {2,
     10,
     0.733128999091,
     0.489936291925,
     1.300578649145,
     {0, -3.724223493814e-02, 1.171954764091e-01}},
    {3,
     1,
     1.315290217116,
     0.975276856319,
     2.108654725644,
     {0, -2.312638892258e-01, 1.024096913186e-01}},
    {3,
     10,
     2.199602792567,
     2.238580535534,
     2.108654725644,
     {0, -3.774775177336e-01, 1.477078480632e-01}},
};

// So their alpha is our weight times the number of classes.
TEST(PkdNumbers, OfTheAnswersAreTheAuthorsTimesTheClasses) {
  for (const AnswersCase& expected : kAnswersCases) {
    SCOPED_TRACE(expected.kl);
    const auto classes = static_cast<double>(expected.classes);
    const double near = 1e-6 + 3e-7 * expected.temperature * expected.temperature;  // float32
    const Tensor student = trained_wave({5, expected.classes}, 0.9, 0.2, 4);
    const Tensor teacher = wave({5, expected.classes}, 1.7, 0.6, 4);
    const Tensor kl = kl_with_temperature(student, teacher, expected.temperature);
    EXPECT_NEAR(kl.item<double>(), expected.kl * classes, near * classes);
    const Tensor labels = at::arange(5, at::kLong).remainder(expected.classes);
    const Tensor labelled = at::cross_entropy_loss(student, labels);
    EXPECT_NEAR(labelled.item<double>(), expected.cross_entropy, 1e-9);
    const Tensor loss = kl * (0.7 / classes) + labelled * 0.3;
    EXPECT_NEAR(loss.item<double>(), expected.loss, near);
    loss.backward();
    expect_sketch(student.grad(), expected.grad, 5e-5);
  }
}

}  // namespace
}  // namespace espalier
