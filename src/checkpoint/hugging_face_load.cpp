#include "checkpoint/hugging_face_load.h"

#include <algorithm>
#include <optional>

#include "base/math.h"
#include "checkpoint/all_ranks.h"
#include "checkpoint/rank_memory.h"
#include "checkpoint/strict_json.h"
#include "optim/master_weights.h"

namespace swallow {

namespace {

int64_t columns_of(const Shape& shape) {
  return shape.rank() == 2 ? shape[1] : 1;
}

/// Reads what `folder` has of a piece and hands it to the rank; returns the bytes read.
int64_t read_piece(const HuggingFaceFolder& folder, const LocalPiece& piece, RankMemory& memory) {
  const TensorFile& file = folder.file_of(piece.name);
  const FileTensor& tensor = file.at(piece.name);
  const SourceTensor& source = folder.tensors().find(piece.name)->second;
  SWALLOW_CHECK(source.shape == piece.shape, "{}: {} for {}", piece.name, to_string(source.shape),
                to_string(piece.shape));
  const NumberType from = source.type;
  const NumberType to = number_type(piece.dtype);
  const int64_t chunk = kFileChunk / std::max(size_of(from), size_of(to));
  std::vector<std::byte> raw;
  std::vector<std::byte> converted;
  int64_t bytes = 0;
  for (int64_t begin = 0; begin < piece.range.size(); begin += chunk) {
    CanonicalRange part = piece.range;
    part.begin += begin;
    part.end = std::min(part.begin + chunk, piece.range.end);
    raw.resize(static_cast<size_t>(part.size() * size_of(from)));
    std::span<std::byte> rest(raw);
    for (const ByteRuns& runs : byte_runs(part, columns_of(piece.shape), size_of(from), 0))
      for (int64_t i = 0; i < runs.count; ++i) {
        file.read_part(tensor, runs.offset + i * runs.stride,
                       rest.first(static_cast<size_t>(runs.bytes)));
        rest = rest.subspan(static_cast<size_t>(runs.bytes));
      }
    bytes += static_cast<int64_t>(raw.size());
    converted.resize(static_cast<size_t>(part.size() * size_of(to)));
    if (const auto bad = convert_numbers(raw, from, converted, to)) {
      const int64_t element = part.begin + *bad;
      throw CheckpointError("{}: tensor {}: row {}, column {} is not finite as {}", file.path(),
                            in_quotes(piece.name), part.row_begin + element / part.columns(),
                            part.column_begin + element % part.columns(), file_dtype(to));
    }
    memory.write(piece, begin, converted);
  }
  return bytes;
}

bool has_own_master(const HuggingFaceFolder& folder, const std::string& tensor, DType params) {
  return !holds_exactly(number_type(params), folder.tensors().find(tensor)->second.type);
}

int64_t read_weights(const HuggingFaceFolder& folder, const CheckpointTensors& tensors) {
  RankMemory memory(tensors);
  Stream& stream = memory.stream();
  zero(stream, tensors.params);  // padding
  zero(stream, tensors.master);
  int64_t bytes = 0;
  for (const LocalPiece& piece : local_pieces(tensors, StateKind::weight))
    bytes += read_piece(folder, piece, memory);
  master_from_params(stream, *tensors.layout, tensors.shard_rank, tensors.params, tensors.master);
  for (const LocalPiece& piece : local_pieces(tensors, StateKind::master))
    if (has_own_master(folder, piece.name, tensors.params.dtype))
      bytes += read_piece(folder, piece, memory);
  stream.synchronize();
  return bytes;
}

}  // namespace

std::vector<ByteRuns> byte_runs(const CanonicalRange& range, int64_t columns, int64_t element_bytes,
                                int64_t offset) {
  const int64_t width = range.columns();
  const int64_t stride = columns * element_bytes;
  /// Elements [begin, end) of the rectangle, all in one row or a whole number of rows.
  std::vector<ByteRuns> runs;
  const auto add = [&](int64_t begin, int64_t end) {
    if (begin >= end) return;
    const int64_t row = range.row_begin + begin / width;
    const int64_t rows = (end - begin) / width;
    ByteRuns run{
        .offset = offset + row * stride + (range.column_begin + begin % width) * element_bytes,
        .bytes = (end - begin) * element_bytes};
    if (rows > 1 && width != columns)
      run = {.offset = run.offset, .bytes = width * element_bytes, .stride = stride, .count = rows};
    runs.push_back(run);
  };
  if (width == columns) {
    add(range.begin, range.end);  // the rows follow each other without a gap
    return runs;
  }
  const int64_t first_whole = std::min(round_up(range.begin, width), range.end);
  const int64_t last_whole = std::max(range.end / width * width, first_whole);
  add(range.begin, first_whole);
  add(first_whole, last_whole);
  add(last_whole, range.end);
  return runs;
}

int64_t FolderRead::bytes() const noexcept {
  int64_t sum = 0;
  for (const ByteRuns& run : runs) sum += run.total();
  return sum;
}

std::vector<FolderRead> plan_folder_reads(const HuggingFaceFolder& folder,
                                          const ParamLayout& layout, int shard_rank,
                                          DType params_dtype) {
  std::vector<FolderRead> reads;
  for (const StateKind kind : {StateKind::weight, StateKind::master})
    for (const HeldRange& held : held_ranges(layout, shard_rank, kind)) {
      if (kind == StateKind::master && !has_own_master(folder, held.name, params_dtype)) continue;
      const TensorFile& file = folder.file_of(held.name);
      const int64_t element = size_of(folder.tensors().find(held.name)->second.type);
      reads.push_back({.tensor = held.name,
                       .kind = kind,
                       .file = std::filesystem::path(file.path()).filename().string(),
                       .range = held.range,
                       .runs = byte_runs(held.range, columns_of(held.shape), element,
                                         file.at(held.name).offset)});
    }
  return reads;
}

FolderLoad load_hugging_face(const std::string& path, const CheckpointTensors& tensors,
                             ControlPlane& control) {
  std::optional<HuggingFaceFolder> folder;
  const std::vector<std::string> digests = on_all_ranks(control, ExitCode::checkpoint, [&] {
    folder.emplace(path);
    return folder->digest();
  });
  for (const std::string& digest : digests)
    if (digest != digests[0])
      throw CheckpointError("{}: ranks 0 and {} read different files", path,
                            &digest - digests.data());
  FolderLoad load{.notices = folder->notices()};
  on_all_ranks(control, ExitCode::checkpoint, [&] {
    load.bytes_read = read_weights(*folder, tensors);
    return std::string();
  });
  return load;
}

}  // namespace swallow
