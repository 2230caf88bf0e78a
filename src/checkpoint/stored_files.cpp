#include "checkpoint/stored_files.h"

#include "base/check.h"
#include "checkpoint/strict_json.h"

namespace swallow {

TensorFile open_stored_file(const std::filesystem::path& folder, const Manifest& manifest,
                            const std::string& name) {
  const StoredFile& stored = manifest.files.at(name);
  TensorFile file(folder / name);
  if (file.size() != stored.size)
    throw CheckpointError("{}: {} bytes, the manifest says {}", file.path(), file.size(),
                          stored.size);
  if (file.header().hash != stored.header_hash)
    throw CheckpointError("{}: XXH3-128 of the header is {}, the manifest says {}", file.path(),
                          file.header().hash, stored.header_hash);
  return file;
}

const FileTensor& find_stored(const TensorFile& file, const StoredPiece& piece) {
  const FileTensor& tensor = file.at(piece.key);
  if (tensor.dtype != file_dtype(piece.dtype) ||
      tensor.bytes != piece.range.size() * size_of(piece.dtype))
    throw CheckpointError("{}: tensor {} of {} bytes of {} is not what the manifest says",
                          file.path(), in_quotes(piece.key), tensor.bytes, tensor.dtype);
  return tensor;
}

void check_stored_hash(const TensorFile& file, const StoredPiece& piece, const std::string& hash) {
  const FileTensor& tensor = file.at(piece.key);
  if (hash != piece.hash)
    throw CheckpointError("{}: tensor {}, bytes {} to {}: XXH3-128 is {}, the manifest says {}",
                          file.path(), in_quotes(piece.key), tensor.offset,
                          tensor.offset + tensor.bytes, hash, piece.hash);
}

}  // namespace swallow
