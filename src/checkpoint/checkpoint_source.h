// A run's checkpoint as whole tensors, whatever grid saved it.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "checkpoint/manifest.h"
#include "checkpoint/tensor_file.h"
#include "checkpoint/tensor_source.h"

namespace swallow {

class CheckpointSource final : public TensorSource {
 public:
  /// The tensors of one kind in an iteration's folder, which holds it. `manifest` outlives the
  /// source.
  CheckpointSource(std::filesystem::path folder, const Manifest& manifest, StateKind kind);

  [[nodiscard]] std::string place() const override { return folder_.string(); }
  [[nodiscard]] const SourceTensors& tensors() const override { return tensors_; }
  /// Hashes are checked by the reader, each piece's when its last byte has been read.
  [[nodiscard]] std::unique_ptr<TensorReader> open(const std::string& name) const override;

 private:
  std::filesystem::path folder_;
  const Manifest& manifest_;
  StateKind kind_;
  SourceTensors tensors_;
  mutable std::map<std::string, TensorFile> files_;  // opened when first needed
};

}  // namespace swallow
