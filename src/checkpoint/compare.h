// How two saved models differ, tensor by tensor, whatever grid or format each has.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/saved_model.h"

namespace swallow {

/// Of elements at the same place: -0 equals 0, types do not matter.
struct TensorDifference {
  std::string name;
  StateKind kind = StateKind::weight;
  Shape shape;
  int64_t different = 0;  // elements
  double max_abs = 0;
  double max_rel = 0;  // |a - b| / max(|a|, |b|)
  double rms = 0;      // of a - b over all elements
};

struct ModelDifference {
  std::vector<TensorDifference> tensors;  // those that both have in the same shape
  std::vector<std::string> missing;       // lines: what one has and the other has not
  std::vector<std::string> notes;         // lines: what was not compared, because one has none

  [[nodiscard]] bool equal() const;
};

/// Weights, and the optimizer's state where both hold it. Reads both once, a few MiB at a time.
/// Throws CheckpointError for damage.
ModelDifference compare_models(const SavedModel& a, const SavedModel& b);

}  // namespace swallow
