// A model on disk in either of the forms that are read here: a run's checkpoint or a Hugging Face
// folder. What export, comparison and inspection open.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/checkpoint_source.h"
#include "checkpoint/hugging_face_folder.h"
#include "checkpoint/manifest.h"

namespace swallow {

class SavedModel {
 public:
  /// `path`: a folder of checkpoints, of which `iteration` is taken, or the newest; the folder of
  /// one iteration; or a Hugging Face folder. Throws CheckpointError when it is none of them.
  explicit SavedModel(const std::filesystem::path& path,
                      std::optional<int64_t> iteration = std::nullopt);

  /// The folder that holds the files.
  [[nodiscard]] const std::filesystem::path& folder() const noexcept { return folder_; }
  /// Of a checkpoint; null for a Hugging Face folder.
  [[nodiscard]] const Manifest* manifest() const noexcept { return manifest_.get(); }
  /// Null for a checkpoint.
  [[nodiscard]] const HuggingFaceFolder* hugging_face() const noexcept {
    return hugging_face_.get();
  }
  /// The model's sizes, and token ids where a Hugging Face folder tells them.
  [[nodiscard]] HuggingFaceConfig config() const;

  /// Weights are always there. Null for another kind that is not.
  [[nodiscard]] const TensorSource* tensors(StateKind kind) const;
  /// The most exact source of weights of this type: those stored if they have it, else the masters.
  [[nodiscard]] const TensorSource& weights_as(NumberType type) const;
  /// The type in which weights are stored; where there are several, the widest.
  [[nodiscard]] NumberType weight_type() const;

 private:
  void open_checkpoint();

  std::filesystem::path folder_;
  std::unique_ptr<Manifest> manifest_;
  std::unique_ptr<HuggingFaceFolder> hugging_face_;
  std::map<StateKind, CheckpointSource> kinds_;
};

}  // namespace swallow
