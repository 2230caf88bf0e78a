// Several Megatron datasets joined into one, byte for byte what a single writer would have made of
// their documents in this order, in memory that does not grow with them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "data/output_place.h"
#include "data/preprocess.h"

namespace swallow {

struct MergeOptions {
  std::vector<std::string> inputs;  // prefixes or names of `.idx` files, joined in this order
  std::string output_prefix;        // of the `.bin` and `.idx` to be written
  Existing existing = Existing::refuse;
};

struct MergeResult {
  int64_t documents = 0;
  int64_t tokens = 0;
  int64_t input_bytes = 0;
  int64_t output_bytes = 0;
};

/// Every input's index is checked whole before a byte is written. Element types must be one, and
/// sequences must have modes in all or none. DataError for the inputs, ConfigError for options and
/// for an output that may not be written, IoError when writing fails; then nothing is left under
/// the output's name. `progress` may be empty.
MergeResult merge_datasets(const MergeOptions& options,
                           const std::function<void(const PreprocessProgress&)>& progress);

}  // namespace swallow
