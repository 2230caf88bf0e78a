#include "checkpoint/hugging_face_export.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/check.h"
#include "base/math.h"
#include "checkpoint/canonical_model.h"
#include "checkpoint/file.h"
#include "checkpoint/hugging_face_folder.h"
#include "checkpoint/hugging_face_index.h"
#include "checkpoint/hugging_face_tokenizer.h"
#include "checkpoint/model_card.h"
#include "checkpoint/pending_folder.h"
#include "checkpoint/strict_json.h"
#include "checkpoint/tensor_file.h"
#include "data/tokenizer_model.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

using NamedShapes = std::vector<std::pair<std::string, Shape>>;

/// What `transformers`, vLLM and llama.cpp's converter look for beside the weights.
constexpr std::string_view kTokenizerModel = "tokenizer.model";
constexpr std::string_view kTokenizerJson = "tokenizer.json";
constexpr std::string_view kTokenizerConfig = "tokenizer_config.json";
constexpr std::string_view kTokenizerFiles[] = {kTokenizerModel, kTokenizerJson, kTokenizerConfig,
                                                "special_tokens_map.json", "added_tokens.json"};

/// Metadata of an exported file of weights: the hash of the manifest of its checkpoint.
constexpr const char* kCheckpointKey = "swallow_checkpoint";

constexpr int64_t kMaxTokenizerFile = int64_t{256} << 20;

void check_source(const TensorSource& source, const NamedShapes& tensors) {
  for (const auto& [name, shape] : tensors) {
    const auto found = source.tensors().find(name);
    if (found == source.tensors().end())
      throw CheckpointError("{}: tensor {} is missing", source.place(), in_quotes(name));
    if (found->second.shape != shape)
      throw CheckpointError("{}: tensor {}: shape {}; expected {} by the model's sizes",
                            source.place(), in_quotes(name), to_string(found->second.shape),
                            to_string(shape));
  }
  if (source.tensors().size() != tensors.size())
    throw CheckpointError("{}: holds {} tensors; expected {} by the model's sizes", source.place(),
                          source.tensors().size(), tensors.size());
}

/// In order, as many in each file as fit.
std::vector<NamedShapes> split_into_files(const NamedShapes& tensors, const ExportOptions& o) {
  constexpr int64_t kHeaderEntry = 256;  // bytes beside the name, more than any takes
  std::vector<NamedShapes> files;
  int64_t size = 0;
  for (const auto& [name, shape] : tensors) {
    const int64_t bytes =
        shape.numel() * size_of(o.type) + kHeaderEntry + static_cast<int64_t>(name.size());
    if (files.empty() || size + bytes > o.max_shard_size) {
      files.emplace_back();
      size = kHeaderEntry;
    }
    files.back().emplace_back(name, shape);
    size += bytes;
  }
  return files;
}

/// The one tensor that is being read. A file's tensors are asked for one after the other, so that
/// the buffers of one exist at a time.
using OpenTensor = std::shared_ptr<std::optional<NumberReader>>;

TensorToWrite tensor_to_write(const TensorSource& source, const std::string& name,
                              const Shape& shape, NumberType type, const OpenTensor& open) {
  return {.name = name,
          .type = type,
          .shape = dims_of(shape),
          .bytes = [&source, name, type, open](int64_t offset, int64_t bytes) {
            if (offset == 0) open->emplace(source, name, type);
            return open->value().next(exact_div(bytes, size_of(type)));
          }};
}

void write_weights(const fs::path& folder, const TensorSource& source, const NamedShapes& tensors,
                   const ExportOptions& o, ExportResult& result) {
  const std::vector<NamedShapes> files = split_into_files(tensors, o);
  const auto open = std::make_shared<std::optional<NumberReader>>();
  std::map<std::string, std::string> metadata;
  if (o.checkpoint != nullptr) metadata[kCheckpointKey] = o.checkpoint->hash;
  HuggingFaceIndex index;
  for (size_t i = 0; i < files.size(); ++i) {
    const std::string name =
        files.size() == 1 ? std::string(kSingleFile)
                          : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, files.size());
    std::vector<TensorToWrite> to_write;
    for (const auto& [tensor, shape] : files[i]) {
      to_write.push_back(tensor_to_write(source, tensor, shape, o.type, open));
      index.file_of[tensor] = name;
      result.bytes += shape.numel() * size_of(o.type);
    }
    const WrittenTensorFile written = write_tensor_file(folder / name, to_write, metadata);
    ++result.files;
    if (o.progress) o.progress(name, written.size);
  }
  index.total_size = result.bytes;
  if (files.size() > 1) write_new_file(folder / kIndexFile, hugging_face_index_text(index));
}

void copy_small_file(const fs::path& from, const fs::path& to) {
  const File file = File::open(from, Links::follow);
  if (file.size() > kMaxTokenizerFile)
    throw CheckpointError("{}: {} bytes; expected at most {} of a tokenizer's file", from.string(),
                          file.size(), kMaxTokenizerFile);
  std::vector<std::byte> bytes(static_cast<size_t>(file.size()));
  file.read(bytes, 0);
  write_new_file(to, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

/// The token ids that the model names, before anything is written.
void adopt_tokenizer(const fs::path& model, HuggingFaceConfig& config) {
  const TokenizerInfo info = tokenizer_info(model.string());
  if (info.vocab_size > config.model.vocab_size)
    throw ConfigError("--tokenizer-model {}: {} pieces; expected at most the model's {} tokens",
                      model.string(), info.vocab_size, config.model.vocab_size);
  if (info.bos >= 0) config.bos_token_id = info.bos;
  if (info.eos >= 0) config.eos_token_id = info.eos;
}

/// Files that the user has are taken as they are.
void copy_tokenizer(const ExportOptions& o, const fs::path& folder, ExportResult& result) {
  const bool has_model = !o.tokenizer_model.empty();
  const fs::path from = has_model ? o.tokenizer_model.parent_path() : o.tokenizer_folder;
  if (!has_model && from.empty()) return;
  for (const std::string_view name : kTokenizerFiles) {
    const bool is_model = has_model && name == kTokenizerModel;
    const fs::path source = is_model ? o.tokenizer_model : from / name;
    if (!fs::exists(source)) continue;
    copy_small_file(source, folder / name);
    ++result.tokenizer_files;
  }
}

/// Where a model came without the files that say how `transformers` is to use it.
void write_tokenizer(const ExportOptions& o, const ModelConfig& model, const fs::path& folder,
                     ExportResult& result) {
  if (o.tokenizer_model.empty() || fs::exists(folder / kTokenizerConfig)) return;
  const auto files = hugging_face_tokenizer(o.tokenizer_model.string(), model.seq_length);
  if (!files) {
    result.notice = fmt::format(
        "{}: does more to a text than merging pieces, so no tokenizer.json is made of it; give one "
        "and tokenizer_config.json beside it",
        o.tokenizer_model.string());
    return;
  }
  write_new_file(folder / kTokenizerConfig, files->config);
  ++result.tokenizer_files;
  if (fs::exists(folder / kTokenizerJson)) return;
  write_new_file(folder / kTokenizerJson, files->tokenizer);
  ++result.tokenizer_files;
}

void write_card(const ExportOptions& o, const ModelConfig& model, const fs::path& folder,
                const ExportResult& result) {
  write_new_file(folder / "README.md",
                 model_card_text({.model = &model,
                                  .parameters = exact_div(result.bytes, size_of(o.type)),
                                  .dtype = torch_dtype(o.type),
                                  .run = o.checkpoint == nullptr ? nullptr : &o.checkpoint->state,
                                  .has_tokenizer = result.tokenizer_files > 0}));
}

}  // namespace

ExportResult write_hugging_face(const TensorSource& source, HuggingFaceConfig config,
                                const ExportOptions& options) {
  require_free_folder(options.flag, options.output);
  const NamedShapes tensors = canonical_tensors(config.model);
  check_source(source, tensors);
  if (!options.tokenizer_model.empty()) adopt_tokenizer(options.tokenizer_model, config);
  ExportResult result;
  PendingFolder pending(options.output);
  const fs::path& folder = pending.path();
  write_weights(folder, source, tensors, options, result);
  write_new_file(folder / "config.json",
                 hugging_face_config_text(config, torch_dtype(options.type)));
  write_new_file(folder / "generation_config.json", generation_config_text(config));
  copy_tokenizer(options, folder, result);
  write_tokenizer(options, config.model, folder, result);
  write_card(options, config.model, folder, result);
  pending.commit();
  return result;
}

bool is_export_of(const fs::path& folder, const Manifest& checkpoint) {
  if (!is_hugging_face_folder(folder)) return false;
  const HuggingFaceFolder exported(folder);
  for (const auto& [name, tensor] : exported.tensors()) {  // import may have added rows
    const auto stored = checkpoint.tensors.find(name);
    if (stored == checkpoint.tensors.end() || stored->second.shape != tensor.shape) return false;
  }
  return std::ranges::all_of(exported.files(), [&](const auto& file) {
    const auto& metadata = file.second.header().metadata;
    const auto found = metadata.find(kCheckpointKey);
    return found != metadata.end() && found->second == checkpoint.hash;
  });
}

std::string_view torch_dtype(NumberType type) {
  switch (type) {
    case NumberType::bf16:
      return "bfloat16";
    case NumberType::f16:
      return "float16";
    case NumberType::f32:
      return "float32";
    case NumberType::f64:
      break;
  }
  throw ContractError("{} is no type of an exported folder", file_dtype(type));
}

}  // namespace swallow
