// The whole tensors of a Llama: what a complete set of weights holds, under Hugging Face's names.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "config/run_config.h"
#include "tensor/tensor.h"

namespace swallow {

/// Name and shape of each, in the order of a model: embedding, layers, last norm, head. Throws
/// ConfigError when the sizes do not fit each other.
std::vector<std::pair<std::string, Shape>> canonical_tensors(const ModelConfig& model);

}  // namespace swallow
