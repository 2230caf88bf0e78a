// Writing a Llama as Hugging Face's `transformers` saves it: safetensors in shards, an index,
// config.json in the spelling of version 4, which later ones read too, the tokenizer's files, and
// README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "checkpoint/hugging_face_config.h"
#include "checkpoint/manifest.h"
#include "checkpoint/tensor_source.h"

namespace swallow {

inline constexpr int64_t kMaxShardSize = 5'000'000'000;

struct ExportOptions {
  std::filesystem::path output;            // a new or an empty folder
  std::string_view flag = "--output";      // that gave it, for messages
  NumberType type = NumberType::bf16;      // not fp64
  int64_t max_shard_size = kMaxShardSize;  // bytes of a file; a larger tensor has one of its own
  /// A SentencePiece model, copied with what lies beside it of a tokenizer; where that is not
  /// enough for `transformers`, the rest is made from the model. Empty: none.
  std::filesystem::path tokenizer_model;
  /// Without a model: a folder whose tokenizer's files are copied as they are; empty: none.
  std::filesystem::path tokenizer_folder;
  const Manifest* checkpoint = nullptr;  // that the weights are of, where it is one
  /// Called when a file of weights is complete.
  std::function<void(const std::string& file, int64_t bytes)> progress;
};

struct ExportResult {
  int64_t files = 0;  // of weights
  int64_t bytes = 0;  // of their tensors
  int64_t tokenizer_files = 0;
  std::string notice;  // what the user should know of them; normally empty
};

/// Writes all tensors of `config.model`, in its order, as `source` has them. Holds a few MiB at a
/// time. The folder appears when it is complete. Throws ConfigError when it is not free,
/// CheckpointError when the source lacks a tensor, is damaged or holds a number that the type does
/// not, IoError when writing fails.
ExportResult write_hugging_face(const TensorSource& source, HuggingFaceConfig config,
                                const ExportOptions& options);

/// Whether `folder` is an export of this very checkpoint; its files' numbers are not read. Throws
/// CheckpointError when it is a Hugging Face folder that is damaged.
bool is_export_of(const std::filesystem::path& folder, const Manifest& checkpoint);

/// What a type is called in config.json: "bfloat16", "float16", "float32".
std::string_view torch_dtype(NumberType type);

}  // namespace swallow
