// model.safetensors.index.json: which file of a Hugging Face folder holds which tensor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

namespace swallow {

inline constexpr std::string_view kSingleFile = "model.safetensors";
inline constexpr std::string_view kIndexFile = "model.safetensors.index.json";

struct HuggingFaceIndex {
  std::map<std::string, std::string> file_of;  // by tensor; each a plain name inside the folder
  std::optional<int64_t> total_size;           // bytes of all tensors, where it is given
};

/// Throws CheckpointError naming `file` and the entry.
HuggingFaceIndex parse_hugging_face_index(std::span<const std::byte> text, const std::string& file);

std::string hugging_face_index_text(const HuggingFaceIndex& index);

}  // namespace swallow
