// The teachers of a micro-batch.
#pragma once

#include <memory>
#include <vector>

#include "core/method/method.h"
#include "core/model/train_backend.h"
#include "core/model/walk.h"

namespace espalier {

// Walks each teacher at most once a micro-batch, and only if somebody asks.
class TeacherTraces : public Teachers {
 public:
  TeacherTraces(std::vector<TrainBackend>& teachers, const Batch& batch, const Record& record)
      : teachers_(teachers), batch_(batch), record_(record), traces_(teachers.size()) {}
  size_t count() const override { return teachers_.size(); }
  const Trace& trace(size_t teacher) override {
    TORCH_CHECK(teacher < traces_.size(), "a distiller wants teacher ", teacher, " of ",
                traces_.size());
    if (!traces_[teacher]) {
      torch::NoGradGuard no_grad;
      WalkOptions options;
      options.record = record_;
      traces_[teacher] = std::make_unique<Trace>(walk(teachers_[teacher], batch_, {}, options));
    }
    return *traces_[teacher];
  }

 private:
  std::vector<TrainBackend>& teachers_;
  const Batch& batch_;
  Record record_;
  std::vector<std::unique_ptr<Trace>> traces_;
};

}  // namespace espalier
