#include "checkpoint/hugging_face_index.h"

#include <nlohmann/json.hpp>

#include "base/check.h"
#include "checkpoint/strict_json.h"

namespace swallow {

namespace {

constexpr size_t kMaxTensors = 100'000;
constexpr size_t kMaxName = 512;  // bytes

}  // namespace

HuggingFaceIndex parse_hugging_face_index(std::span<const std::byte> text,
                                          const std::string& file) {
  const nlohmann::json json = parse_strict_json(text, file, 0);
  StrictObject object(json, file);
  HuggingFaceIndex index;
  if (json.contains("metadata")) {
    const nlohmann::json& metadata = object.field("metadata");
    if (!metadata.is_object()) object.refuse("metadata", "an object");
    if (metadata.contains("total_size") && metadata["total_size"].is_number_unsigned())
      index.total_size = metadata["total_size"].get<int64_t>();
  }
  const nlohmann::json& map = object.field("weight_map");
  if (!map.is_object() || map.empty() || map.size() > kMaxTensors)
    object.refuse("weight_map", fmt::format("an object of 1 to {} tensors", kMaxTensors));
  for (const auto& [name, value] : map.items()) {
    const std::string where =
        fmt::format("{}: weight_map: tensor {}", file, in_quotes(name.substr(0, kMaxName)));
    if (name.empty() || name.size() > kMaxName)
      throw CheckpointError("{}: a name of {} bytes; expected 1 to {}", where, name.size(),
                            kMaxName);
    if (!value.is_string() || !is_plain_name(value.get<std::string>()))
      throw CheckpointError("{}: its file is {}; expected a plain name inside the folder", where,
                            value.is_string() ? in_quotes(value.get<std::string>()) : "no text");
    index.file_of[name] = value.get<std::string>();
  }
  object.finish();
  return index;
}

std::string hugging_face_index_text(const HuggingFaceIndex& index) {
  nlohmann::ordered_json json;
  json["metadata"] = {{"total_size", index.total_size.value_or(0)}};
  json["weight_map"] = index.file_of;
  return json.dump(2) + "\n";
}

}  // namespace swallow
