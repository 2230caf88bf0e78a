// A folder as Hugging Face's `transformers` saves a Llama: config.json, and model.safetensors or
// shards of it under an index. Opened only when its files agree with each other in everything but
// the numbers. Symbolic links are followed, as its cache consists of them.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "checkpoint/hugging_face_config.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tensor_source.h"

namespace swallow {

/// Whether `folder` holds weights under the names that `transformers` gives them, readable here or
/// not.
bool is_hugging_face_folder(const std::filesystem::path& folder);

/// config.json of a folder.
HuggingFaceConfig read_hugging_face_config(const std::filesystem::path& folder);

class HuggingFaceFolder final : public TensorSource {
 public:
  /// Reads everything but the tensors' numbers. Throws CheckpointError naming the file and the
  /// entry.
  explicit HuggingFaceFolder(std::filesystem::path folder);

  [[nodiscard]] std::string place() const override { return folder_.string(); }
  [[nodiscard]] const SourceTensors& tensors() const override { return tensors_; }
  [[nodiscard]] std::unique_ptr<TensorReader> open(const std::string& name) const override;

  [[nodiscard]] const HuggingFaceConfig& config() const noexcept { return config_; }
  [[nodiscard]] std::filesystem::path config_path() const { return folder_ / "config.json"; }
  /// What was accepted without having an effect, for the user to see once.
  [[nodiscard]] const std::vector<std::string>& notices() const noexcept { return notices_; }
  [[nodiscard]] const std::map<std::string, TensorFile>& files() const noexcept { return files_; }
  /// The file that holds a tensor.
  [[nodiscard]] const TensorFile& file_of(const std::string& name) const;
  /// XXH3-128 of everything that was read so far; equal where two processes see the same folder.
  [[nodiscard]] std::string digest() const;

 private:
  void read_index();
  void check_tensors();

  std::filesystem::path folder_;
  HuggingFaceConfig config_;
  std::string config_hash_;
  std::vector<std::string> notices_;
  std::map<std::string, TensorFile> files_;
  std::map<std::string, std::string> name_of_file_;  // by tensor
  SourceTensors tensors_;
};

}  // namespace swallow
