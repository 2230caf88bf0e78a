#include "checkpoint/verify.h"

#include <algorithm>
#include <map>

#include "base/check.h"
#include "checkpoint/stored_files.h"

namespace swallow {

namespace {

/// Adds what `check` finds wrong; the rest is checked all the same.
template <class Check>
void collect(Verification& result, const Check& check) {
  try {
    check();
  } catch (const CheckpointError& error) {
    result.damage.emplace_back(error.what());
  }
}

void verify_checkpoint(const SavedModel& model, Verification& result) {
  const Manifest& manifest = *model.manifest();
  std::map<std::string, std::vector<const StoredPiece*>> pieces;  // by file
  for (const auto& [name, tensor] : manifest.tensors)
    for (const StoredPiece& piece : tensor.pieces) pieces[piece.file].push_back(&piece);
  for (const auto& [name, stored] : manifest.files)
    collect(result, [&] {
      const TensorFile file = open_stored_file(model.folder(), manifest, name);
      for (const StoredPiece* piece : pieces[name])
        collect(result, [&] {
          const FileTensor& tensor = find_stored(file, *piece);
          check_stored_hash(file, *piece,
                            file.read(tensor, [](std::span<const std::byte>, int64_t) {}));
          result.bytes += tensor.bytes;
        });
    });
}

void verify_numbers(const TensorSource& source, Verification& result) {
  constexpr int64_t kChunk = int64_t{1} << 20;  // elements
  for (const auto& [name, tensor] : source.tensors())
    collect(result, [&, &name = name, &tensor = tensor] {
      NumberReader reader(source, name, tensor.type);
      const int64_t total = tensor.shape.numel();
      for (int64_t begin = 0; begin < total; begin += kChunk)
        reader.next(std::min(kChunk, total - begin));
      result.bytes += total * size_of(tensor.type);
    });
}

}  // namespace

Verification verify_model(const SavedModel& model) {
  Verification result;
  if (model.manifest() != nullptr)
    verify_checkpoint(model, result);
  else
    verify_numbers(*model.hugging_face(), result);
  return result;
}

}  // namespace swallow
