#include "checkpoint/saved_model.h"

#include "base/check.h"
#include "checkpoint/file.h"
#include "checkpoint/iteration_folder.h"
#include "config/config_json.h"

namespace swallow {

namespace fs = std::filesystem;

SavedModel::SavedModel(const fs::path& path, std::optional<int64_t> iteration) : folder_(path) {
  if (is_hugging_face_folder(path)) {
    if (iteration)
      throw CheckpointError("{}: a Hugging Face folder has no iteration {}", path.string(),
                            *iteration);
    hugging_face_ = std::make_unique<HuggingFaceFolder>(path);
    return;
  }
  if (!fs::exists(path / kManifestName)) {
    if (!iteration) iteration = find_checkpoint(path);
    if (!iteration)
      throw CheckpointError(
          "{}: expected a folder that --save has written, one iteration of it, or a Hugging Face "
          "folder",
          path.string());
    folder_ = committed_folder(path, *iteration);
  }
  open_checkpoint();
  if (iteration && manifest_->state.iteration != *iteration)
    throw CheckpointError("{}: is of iteration {}, expected {}", folder_.string(),
                          manifest_->state.iteration, *iteration);
}

void SavedModel::open_checkpoint() {
  const fs::path file = folder_ / kManifestName;
  manifest_ = std::make_unique<Manifest>(parse_manifest(read_file(file), file.string()));
  for (const StateKind kind : kStateKinds)
    if (has_kind(*manifest_, kind)) kinds_.try_emplace(kind, folder_, *manifest_, kind);
}

HuggingFaceConfig SavedModel::config() const {
  if (hugging_face_ != nullptr) return hugging_face_->config();
  const std::string file = (folder_ / kManifestName).string();
  return {.model = config_from_json(manifest_->state.config_json, file).model};
}

const TensorSource* SavedModel::tensors(StateKind kind) const {
  if (hugging_face_ != nullptr) return kind == StateKind::weight ? hugging_face_.get() : nullptr;
  const auto found = kinds_.find(kind);
  return found == kinds_.end() ? nullptr : &found->second;
}

const TensorSource& SavedModel::weights_as(NumberType type) const {
  const TensorSource* masters = tensors(StateKind::master);
  return masters == nullptr || type == weight_type() ? *tensors(StateKind::weight) : *masters;
}

NumberType SavedModel::weight_type() const {
  NumberType widest = tensors(StateKind::weight)->tensors().begin()->second.type;
  for (const auto& [name, tensor] : tensors(StateKind::weight)->tensors())
    if (!holds_exactly(widest, tensor.type)) widest = tensor.type;
  return widest;
}

}  // namespace swallow
