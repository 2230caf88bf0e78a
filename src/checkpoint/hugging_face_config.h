// config.json of a Hugging Face folder: read with suspicion, because whatever it says changes the
// function that the weights compute. What this project cannot compute is refused by name.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/run_config.h"

namespace swallow {

struct HuggingFaceConfig {
  ModelConfig model;  // seq_length: max_position_embeddings
  std::optional<int64_t> bos_token_id;
  std::optional<int64_t> eos_token_id;  // of several, the first
  std::vector<std::string> notices;     // fields that are not known here and have no effect
};

/// Reads the spellings of transformers 4 (rope_theta) and 5 (rope_parameters). Throws
/// CheckpointError naming `file`, the field and what would be accepted.
HuggingFaceConfig parse_hugging_face_config(std::span<const std::byte> text,
                                            const std::string& file);

/// Throws CheckpointError listing, flag by flag, where the run's model differs from the folder's.
/// The run's sequences may be shorter.
void require_same_model(const ModelConfig& run, const ModelConfig& folder,
                        const std::string& folder_path);

/// What config.json and generation_config.json of an exported folder hold. `dtype`: "bfloat16",
/// "float16" or "float32".
std::string hugging_face_config_text(const HuggingFaceConfig& config, std::string_view dtype);
std::string generation_config_text(const HuggingFaceConfig& config);

}  // namespace swallow
