#include "checkpoint/hugging_face_folder.h"

#include <algorithm>

#include "base/check.h"
#include "base/content_hash.h"
#include "checkpoint/canonical_model.h"
#include "checkpoint/hugging_face_index.h"
#include "checkpoint/strict_json.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

/// PyTorch's own formats: programs for its unpickler, never read.
constexpr std::string_view kPickles[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "consolidated.00.pth"};

constexpr int64_t kMaxJson = int64_t{64} << 20;  // an index of 100,000 tensors has some 10 MiB

std::vector<std::byte> read_json_file(const fs::path& path) {
  const File file = File::open(path, Links::follow);
  if (file.size() > kMaxJson)
    throw CheckpointError("{}: {} bytes; expected at most {}", path.string(), file.size(),
                          kMaxJson);
  return read_file(path, Links::follow);
}

/// A table of the rotary embedding that transformers up to 4.31 saved; it follows from the config.
bool is_rotary_table(std::string_view name) {
  return name.starts_with("model.") && name.ends_with("rotary_emb.inv_freq");
}

/// The whole tensor, in the order of the file.
class FileReader final : public TensorReader {
 public:
  FileReader(const TensorFile& file, const FileTensor& tensor) : file_(file), tensor_(tensor) {}
  void read(std::span<std::byte> elements) override {
    file_.read_part(tensor_, position_, elements);
    position_ += static_cast<int64_t>(elements.size());
  }

 private:
  const TensorFile& file_;
  const FileTensor& tensor_;
  int64_t position_ = 0;  // bytes
};

}  // namespace

bool is_hugging_face_folder(const fs::path& folder) {
  const auto holds = [&](std::string_view name) {
    std::error_code ignored;
    return fs::exists(folder / name, ignored);
  };
  return holds(kSingleFile) || holds(kIndexFile) || std::ranges::any_of(kPickles, holds);
}

HuggingFaceConfig read_hugging_face_config(const fs::path& folder) {
  const fs::path path = folder / "config.json";
  return parse_hugging_face_config(read_json_file(path), path.string());
}

HuggingFaceFolder::HuggingFaceFolder(fs::path folder) : folder_(std::move(folder)) {
  const std::vector<std::byte> text = read_json_file(config_path());
  config_ = parse_hugging_face_config(text, config_path().string());
  config_hash_ = content_hash(text);
  notices_ = config_.notices;
  read_index();
  check_tensors();
}

void HuggingFaceFolder::read_index() {
  const bool single = fs::exists(folder_ / kSingleFile);
  const bool indexed = fs::exists(folder_ / kIndexFile);
  if (single && indexed)
    throw CheckpointError("{}: holds {} and {}; expected one of them", place(), kSingleFile,
                          kIndexFile);
  if (!single && !indexed)
    throw CheckpointError(
        "{}: holds no {} and no {}. PyTorch's .bin and .pth files are programs that reading would "
        "execute, and are never read: save the model again as safetensors",
        place(), kSingleFile, kIndexFile);
  HuggingFaceIndex index;
  const std::string index_path = (folder_ / kIndexFile).string();
  if (indexed)
    index = parse_hugging_face_index(read_json_file(index_path), index_path);
  else
    files_.emplace(kSingleFile, TensorFile(folder_ / kSingleFile, Links::follow));
  for (const auto& [name, file] : index.file_of)
    if (!files_.contains(file)) files_.emplace(file, TensorFile(folder_ / file, Links::follow));
  int64_t bytes = 0;
  for (const auto& [file_name, file] : files_)
    for (const auto& [name, tensor] : file.header().tensors) {
      const auto listed = index.file_of.find(name);
      if (indexed && (listed == index.file_of.end() || listed->second != file_name))
        throw CheckpointError(
            "{}: holds tensor {}, which {} {}", file.path(), in_quotes(name), index_path,
            listed == index.file_of.end() ? "does not list" : "lists in " + listed->second);
      name_of_file_[name] = file_name;
      bytes += tensor.bytes;
    }
  for (const auto& [name, file] : index.file_of)
    if (!name_of_file_.contains(name))
      throw CheckpointError("{}: lists tensor {} in {}, which does not hold it", index_path,
                            in_quotes(name), file);
  if (index.total_size && *index.total_size != bytes)
    notices_.push_back(fmt::format("{}: total_size says {} bytes, the tensors have {}", index_path,
                                   *index.total_size, bytes));
}

void HuggingFaceFolder::check_tensors() {
  for (const auto& [name, shape] : canonical_tensors(config_.model)) {
    const auto found = name_of_file_.find(name);
    if (found == name_of_file_.end())
      throw CheckpointError("{}: tensor {} {} is missing", place(), in_quotes(name),
                            to_string(shape));
    const TensorFile& file = files_.at(found->second);
    const FileTensor& tensor = file.at(name);
    const std::string where = fmt::format("{}: tensor {}", file.path(), in_quotes(name));
    if (tensor.shape != dims_of(shape))
      throw CheckpointError("{}: shape [{}]; expected {} by {}", where,
                            fmt::join(tensor.shape, ", "), to_string(shape),
                            config_path().string());
    const auto type = number_type(std::string_view(tensor.dtype));
    if (!type || *type == NumberType::f64)
      throw CheckpointError("{}: type {}; expected BF16, F16 or F32", where, tensor.dtype);
    tensors_[name] = {.shape = shape, .type = *type};
  }
  int64_t tables = 0;
  for (const auto& [name, file] : name_of_file_) {
    if (tensors_.contains(name)) continue;
    if (!is_rotary_table(name))
      throw CheckpointError("{}: tensor {}: a Llama 2 has none of this name",
                            files_.at(file).path(), in_quotes(name));
    ++tables;
  }
  if (tables > 0)
    notices_.push_back(fmt::format(
        "{}: {} tensors ...rotary_emb.inv_freq are not read: they follow from rope_theta", place(),
        tables));
}

std::unique_ptr<TensorReader> HuggingFaceFolder::open(const std::string& name) const {
  const TensorFile& file = file_of(name);
  return std::make_unique<FileReader>(file, file.at(name));
}

const TensorFile& HuggingFaceFolder::file_of(const std::string& name) const {
  const auto found = name_of_file_.find(name);
  SWALLOW_CHECK(found != name_of_file_.end(), "no tensor {}", name);
  return files_.at(found->second);
}

std::string HuggingFaceFolder::digest() const {
  std::string text = config_hash_;
  for (const auto& [name, file] : files_) text += name + file.header().hash;
  return content_hash(std::as_bytes(std::span(text)));
}

}  // namespace swallow
