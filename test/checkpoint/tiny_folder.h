// The tiny model of tiny_job.h as a Hugging Face folder.
#pragma once

#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "checkpoint/canonical_model.h"
#include "checkpoint/hugging_face_config.h"
#include "checkpoint/hugging_face_index.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tiny_job.h"

namespace swallow::test {

inline ModelConfig tiny_model_config() {
  return {.num_layers = 2,
          .hidden_size = 16,
          .ffn_hidden_size = 24,
          .num_attention_heads = 4,
          .num_query_groups = 2,
          .vocab_size = 37};
}

inline nlohmann::json tiny_folder_config() {
  return nlohmann::json::parse(hugging_face_config_text({.model = tiny_model_config()}, "float32"));
}

inline void write_json(const std::string& path, const nlohmann::json& json) {
  std::ofstream(path) << json;
}

/// What to write, and what to spoil in it.
struct TinyFolder {
  NumberType type = NumberType::bf16;
  int shards = 0;  // 0: a single file
  nlohmann::json config = tiny_folder_config();
  std::map<std::string, Shape> extra;  // tensors of ones
  std::string without;                 // a tensor to leave out
};

/// Numbers of tiny_value() as fp32; those of a file of type fp32.
inline std::vector<float> tiny_tensor(const std::string& name, const Shape& shape) {
  std::vector<float> values;
  for (int64_t i = 0; i < shape.numel(); ++i)
    values.push_back(static_cast<float>(tiny_value(StateKind::weight, name, i)));
  return values;
}

/// The same as they come out of a file of this type.
inline std::vector<float> tiny_tensor_in_file(const std::string& name, const Shape& shape,
                                              NumberType type) {
  std::vector<float> values = tiny_tensor(name, shape);
  std::vector<std::byte> stored(values.size() * static_cast<size_t>(size_of(type)));
  const auto bytes = std::as_writable_bytes(std::span(values));
  (void)convert_numbers(bytes, NumberType::f32, stored, type);
  (void)convert_numbers(stored, type, bytes, NumberType::f32);
  return values;
}

inline void write_tiny_shard(const std::string& path,
                             const std::vector<std::pair<std::string, Shape>>& tensors,
                             NumberType type) {
  std::vector<std::vector<std::byte>> contents;
  std::vector<TensorToWrite> to_write;
  for (const auto& [name, shape] : tensors) {
    const std::vector<float> values = tiny_tensor(name, shape);
    contents.emplace_back(values.size() * static_cast<size_t>(size_of(type)));
    (void)convert_numbers(std::as_bytes(std::span(values)), NumberType::f32, contents.back(), type);
    to_write.push_back({name, type, dims_of(shape),
                        [&contents, i = contents.size() - 1](int64_t offset, int64_t bytes) {
                          return std::span<const std::byte>(contents[i])
                              .subspan(static_cast<size_t>(offset), static_cast<size_t>(bytes));
                        }});
  }
  write_tensor_file(path, to_write);
}

inline void write_tiny_folder(const std::string& folder, const TinyFolder& options = {}) {
  std::filesystem::create_directory(folder);
  write_json(folder + "/config.json", options.config);
  auto tensors = canonical_tensors(tiny_model_config());
  std::erase_if(tensors, [&](const auto& tensor) { return tensor.first == options.without; });
  for (const auto& tensor : options.extra) tensors.emplace_back(tensor);
  if (options.shards == 0)
    return write_tiny_shard(folder + "/model.safetensors", tensors, options.type);
  HuggingFaceIndex index{.total_size = 0};
  std::vector<std::vector<std::pair<std::string, Shape>>> shards(
      static_cast<size_t>(options.shards));
  for (size_t i = 0; i < tensors.size(); ++i) {
    const size_t shard = i % shards.size();
    shards[shard].push_back(tensors[i]);
    index.file_of[tensors[i].first] =
        fmt::format("model-{:05}-of-{:05}.safetensors", shard + 1, shards.size());
    *index.total_size += tensors[i].second.numel() * size_of(options.type);
  }
  for (const auto& shard : shards)
    write_tiny_shard(folder + "/" + index.file_of.at(shard.front().first), shard, options.type);
  std::ofstream(folder + "/" + std::string(kIndexFile)) << hugging_face_index_text(index);
}

}  // namespace swallow::test
