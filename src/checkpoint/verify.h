// Whether every byte of a saved model is what was written.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/saved_model.h"

namespace swallow {

struct Verification {
  int64_t bytes = 0;                // read, of tensors
  std::vector<std::string> damage;  // a line for each damaged range, naming file and bytes
};

/// A checkpoint's hashes over all its tensors and headers. A Hugging Face folder has no hashes:
/// every number must be finite.
Verification verify_model(const SavedModel& model);

}  // namespace swallow
