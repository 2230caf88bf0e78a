// The tensor files of an iteration's folder, opened as its manifest describes them.
#pragma once

#include <filesystem>
#include <string>

#include "checkpoint/manifest.h"
#include "checkpoint/tensor_file.h"

namespace swallow {

/// Opens a listed file. Throws CheckpointError when its size or its header is not what the manifest
/// says.
TensorFile open_stored_file(const std::filesystem::path& folder, const Manifest& manifest,
                            const std::string& name);

/// Where a piece lies in its file, which must hold it under this type and size.
const FileTensor& find_stored(const TensorFile& file, const StoredPiece& piece);

/// Throws CheckpointError naming the bytes when `hash` of a piece read whole is not the manifest's.
void check_stored_hash(const TensorFile& file, const StoredPiece& piece, const std::string& hash);

}  // namespace swallow
