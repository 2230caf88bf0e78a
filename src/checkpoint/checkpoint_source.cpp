#include "checkpoint/checkpoint_source.h"

#include <cstring>
#include <vector>

#include "base/check.h"
#include "base/content_hash.h"
#include "checkpoint/stored_files.h"

namespace swallow {

namespace {

/// A stored piece on its way to being read whole. As the tensor is read in row-major order, so is
/// every piece of it, and its hash can grow along.
struct PieceInReading {
  const StoredPiece* stored = nullptr;
  const TensorFile* file = nullptr;
  const FileTensor* tensor = nullptr;
  std::unique_ptr<ContentHash> hash;
};

class PieceReader final : public TensorReader {
 public:
  PieceReader(const Shape& shape, std::vector<PieceInReading> pieces)
      : whole_{.row_begin = 0,
               .row_end = shape[0],
               .column_begin = 0,
               .column_end = shape.rank() == 2 ? shape[1] : 1},
        pieces_(std::move(pieces)) {}

  void read(std::span<std::byte> elements) override {
    const int64_t element = size_of(pieces_.front().stored->dtype);
    CanonicalRange part = whole_;
    part.begin = position_;
    part.end = position_ + static_cast<int64_t>(elements.size()) / element;
    position_ = part.end;
    for (PieceInReading& piece : pieces_) {
      const std::vector<OverlapRun> runs = overlap_runs(piece.stored->range, part);
      if (!runs.empty()) read_from(piece, runs, elements);
    }
  }

 private:
  /// The runs follow each other in the piece without a gap.
  void read_from(PieceInReading& piece, const std::vector<OverlapRun>& runs,
                 std::span<std::byte> elements) {
    const int64_t element = size_of(piece.stored->dtype);
    const int64_t begin = runs.front().source;
    const int64_t end = runs.back().source + runs.back().count;
    bytes_.resize(static_cast<size_t>((end - begin) * element));
    piece.file->read_part(*piece.tensor, begin * element, bytes_);
    piece.hash->update(bytes_);
    for (const OverlapRun& run : runs)
      std::memcpy(elements.data() + run.destination * element,
                  bytes_.data() + (run.source - begin) * element,
                  static_cast<size_t>(run.count * element));
    if (end == piece.stored->range.size())
      check_stored_hash(*piece.file, *piece.stored, piece.hash->hex());
  }

  CanonicalRange whole_;
  std::vector<PieceInReading> pieces_;
  std::vector<std::byte> bytes_;
  int64_t position_ = 0;  // elements
};

}  // namespace

CheckpointSource::CheckpointSource(std::filesystem::path folder, const Manifest& manifest,
                                   StateKind kind)
    : folder_(std::move(folder)), manifest_(manifest), kind_(kind) {
  for (const auto& [name, stored] : manifest_.tensors)
    for (const StoredPiece& piece : stored.pieces)
      if (piece.kind == kind)
        tensors_[name] = {.shape = stored.shape, .type = number_type(piece.dtype)};
}

std::unique_ptr<TensorReader> CheckpointSource::open(const std::string& name) const {
  const StoredTensor& stored = manifest_.tensors.at(name);
  std::vector<PieceInReading> pieces;
  for (const StoredPiece& piece : stored.pieces) {
    if (piece.kind != kind_) continue;
    auto found = files_.find(piece.file);
    if (found == files_.end())
      found = files_.emplace(piece.file, open_stored_file(folder_, manifest_, piece.file)).first;
    const TensorFile& file = found->second;
    pieces.push_back({&piece, &file, &find_stored(file, piece), std::make_unique<ContentHash>()});
  }
  return std::make_unique<PieceReader>(stored.shape, std::move(pieces));
}

}  // namespace swallow
