#include "core/distill/soft_labels.h"

#include <cmath>

#include "gtest/gtest.h"

namespace espalier {
namespace {

TEST(SoftLabels, OfTokensCountOnlyThoseThatHaveALabel) {
  // The teacher says 3 : 1, the student 1 : 1: KL = 3/4 log(3/2) + 1/4 log(1/2).
  Tensor teacher = torch::tensor({std::log(3.0), 0.0, 7.0, 0.0}).view({2, 2});
  Tensor counts = torch::tensor({true, false});
  const double kl = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  EXPECT_NEAR(kl_with_temperature(at::zeros({2, 2}), teacher, 1, counts).item<double>(), kl, 1e-6);
  EXPECT_EQ(kl_with_temperature(at::zeros({2, 2}), teacher, 1, torch::tensor({false, false}))
                .item<double>(),
            0);
}

TEST(SoftLabels, OfYesAndNoAreTheMeanOverAllLabels) {
  Tensor teacher = torch::tensor({std::log(3.0), 0.0}).view({1, 2});
  const double kl = 0.75 * std::log(1.5) + 0.25 * std::log(0.5);
  EXPECT_NEAR(binary_kl_with_temperature(at::zeros({1, 2}), teacher, 1).item<double>(), kl / 2,
              1e-6);
  EXPECT_NEAR(binary_kl_with_temperature(teacher, teacher, 3).item<double>(), 0, 1e-7);
}

}  // namespace
}  // namespace espalier
