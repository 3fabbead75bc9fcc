// What every optimiser shares: parameter groups, clipping over all of them together, and a state
// that goes into a checkpoint by parameter name. A kind of optimiser adds its update alone.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/method/state.h"
#include "core/spec/training_spec.h"

namespace espalier {

struct OptimiserGroup {
  std::vector<std::string> names;
  std::vector<Tensor> parameters;
  double learning_rate = 1e-3, weight_decay = 0;
  bool clip = true, ascend = false, scheduled = true;
};

// Decay rates of the running mean and of the running size of the gradient, and what keeps a size
// of 0 from dividing.
struct Betas {
  double mean = 0.9, size = 0.999, eps = 1e-8;
};

class Optimiser {
 public:
  virtual ~Optimiser() = default;
  void zero_grad();
  // Gradients may be sparse: see core/model/embedding.h.
  //
  // Has the next step scale the gradients of clipping groups to at most `max_norm` together (0: no
  // clipping) and returns their norm before. Ascending groups get their sign flipped here.
  Tensor clip(double max_norm);
  // `factor` is the schedule's multiplier of every scheduled group's learning rate. A parameter
  // without a gradient stays, state and all.
  void step(double factor);
  void save(State& state) const;
  void load(const State& state);

 protected:
  // The slots of one group that have a gradient, as lists for LibTorch's foreach operators.
  struct Lists {
    std::vector<Tensor> parameters, grads, means, sizes, counts;
  };
  // A parameter [N,D] of which some rows have a gradient.
  struct Rows {
    const Tensor& parameter;
    const Tensor &mean, &size, &count;
    Tensor index, values;  // int64 [U], each once; [U,D]
    // By row, whether it ever had a gradient: the running mean and size of others are 0. Empty: not
    // known.
    std::vector<char>& moving;
  };
  // `name` leads the state's names, `size` is what the running size is called in them. With
  // `counts_on_host` the number of a parameter's steps stays on the CPU whatever the device.
  Optimiser(std::vector<OptimiserGroup> groups, const Betas& betas, std::string name,
            std::string size, bool counts_on_host);
  // One update. counts hold this step already; `divisor` of the gradients may be undefined (1).
  virtual void update(const Lists& lists, double learning_rate, double weight_decay,
                      const Tensor& divisor) = 0;
  // The same for rows. False: not by this kind; the gradient is made dense for it.
  virtual bool update_rows(const Rows& rows, double learning_rate, double weight_decay,
                           const Tensor& divisor) {
    return false;
  }
  const Betas betas_;

 private:
  struct Slot {
    std::string name;
    Tensor parameter, mean, size, count;
    std::vector<char> moving;  // see Rows
  };
  struct Group {
    OptimiserGroup options;
    std::vector<Slot> slots;
  };
  template <class F>
  void for_each_state(F&& visit) const;

  std::string name_, size_name_;
  std::vector<Group> groups_;
  Tensor divisor_;  // of clipping groups' gradients at the next step; undefined: 1
};

// The optimiser that a training asks for.
std::unique_ptr<Optimiser> make_optimiser(const TrainingSpec& spec,
                                          std::vector<OptimiserGroup> groups);

}  // namespace espalier
