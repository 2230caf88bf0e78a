// Saving. Three steps that all ranks agree on: rank 0 makes a temporary folder, every rank writes
// its file there, rank 0 writes the manifest and renames the folder.
#include "checkpoint/checkpoint_save.h"

#include <cmath>
#include <filesystem>
#include <numeric>
#include <span>
#include <utility>

#include "base/check.h"
#include "base/math.h"
#include "checkpoint/all_ranks.h"
#include "checkpoint/file.h"
#include "checkpoint/iteration_folder.h"
#include "checkpoint/manifest.h"
#include "checkpoint/pieces.h"
#include "checkpoint/rank_memory.h"
#include "checkpoint/tensor_file.h"
#include "kernels/adamw.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

void check_tensors(const CheckpointTensors& tensors) {
  SWALLOW_CHECK(tensors.layout != nullptr, "no layout");
  const Device device = tensors.stream == nullptr ? Device{} : tensors.stream->device();
  const auto check = [&](const Tensor& tensor, int64_t numel, const char* name) {
    SWALLOW_CHECK(tensor.numel() == numel && tensor.data != nullptr, "{} is {}, expected {}", name,
                  to_string(tensor), numel);
    SWALLOW_CHECK(tensor.device == device, "{} is on {}, not {}", name, to_string(tensor.device),
                  to_string(device));
  };
  check(tensors.params, tensors.layout->total(), "params");
  check(tensors.master, tensors.layout->shard_size(), "master");
  SWALLOW_CHECK(!is_split_master(tensors.master) || tensors.params.dtype == DType::bf16,
                "the low bits of a split master beside {}", to_string(tensors.params));
  check(tensors.exp_avg, tensors.layout->shard_size(), "exp_avg");
  check(tensors.exp_avg_sq, tensors.layout->shard_size(), "exp_avg_sq");
}

/// What this rank writes. State comes first: its type is the wider one.
std::vector<LocalPiece> pieces_to_write(const CheckpointTensors& tensors) {
  std::vector<LocalPiece> result;
  for (const StateKind kind :
       {StateKind::master, StateKind::exp_avg, StateKind::exp_avg_sq, StateKind::weight}) {
    if (!(kind == StateKind::weight ? tensors.writes_params : tensors.writes_state)) continue;
    for (LocalPiece& piece : local_pieces(tensors, kind))
      if (tensors.writes_replicated || !piece.replicated) result.push_back(std::move(piece));
  }
  return result;
}

template <class T>
int64_t count_non_finite(std::span<const std::byte> bytes) {
  const T* data = reinterpret_cast<const T*>(bytes.data());
  const auto count = static_cast<int64_t>(bytes.size() / sizeof(T));
  int64_t bad = 0;  // no early exit: this way the loop runs at the speed of the cache
  for (int64_t i = 0; i < count; ++i) bad += std::isfinite(convert<Accumulate<T>>(data[i])) ? 0 : 1;
  return bad;
}

/// Where the bytes of a file come from. A number that is not finite must never become the state
/// that a run resumes from: they are counted while a chunk is in the cache, before it is written.
class PieceReader {
 public:
  PieceReader(const CheckpointTensors& tensors, const std::atomic<bool>& cancel)
      : memory_(tensors), cancel_(cancel) {}

  std::span<const std::byte> read(const LocalPiece& piece, int64_t offset, int64_t bytes) {
    if (cancel_.load()) throw IoError("the save was given up");
    const int64_t begin = exact_div(offset, size_of(piece.dtype));
    const int64_t count = exact_div(bytes, size_of(piece.dtype));
    const std::span<const std::byte> chunk = memory_.read(piece, begin, count);
    int64_t bad = 0;
    visit_dtype(piece.dtype,
                [&]<class T>(std::type_identity<T>) { bad = count_non_finite<T>(chunk); });
    if (bad > 0)
      throw NonFiniteError(
          "{}: {} holds {} numbers that are not finite in elements {} to {} of this rank's piece; "
          "nothing is saved",
          piece.name, name_of(piece.kind), bad, begin, begin + count);
    return chunk;
  }

 private:
  RankMemory memory_;
  const std::atomic<bool>& cancel_;
};

/// `piece` and `reader` outlive the result.
TensorToWrite tensor_to_write(const LocalPiece& piece, PieceReader& reader) {
  TensorToWrite tensor{.name = piece.name,
                       .type = number_type(piece.dtype),
                       .bytes = [&reader, &piece](int64_t offset, int64_t bytes) {
                         return reader.read(piece, offset, bytes);
                       }};
  const CanonicalRange& range = piece.range;
  if (piece.kind != StateKind::weight) {
    // A shard's border may cut a row: state is stored without dimensions.
    tensor.name += fmt::format(".{}", name_of(piece.kind));
    tensor.shape = {range.size()};
  } else if (piece.shape.rank() == 1) {
    tensor.shape = {range.row_end - range.row_begin};
  } else {
    tensor.shape = {range.row_end - range.row_begin, range.columns()};
  }
  return tensor;
}

/// Writes this rank's file, if it has anything to write, and describes it.
ManifestEntry write_rank_file(const fs::path& folder, const std::string& name,
                              const std::vector<LocalPiece>& pieces, PieceReader& reader) {
  ManifestEntry entry;
  if (pieces.empty()) return entry;
  std::vector<TensorToWrite> tensors;
  for (const LocalPiece& piece : pieces) tensors.push_back(tensor_to_write(piece, reader));
  const WrittenTensorFile written = write_tensor_file(folder / name, tensors);
  entry.files[name] = {.size = written.size, .header_hash = written.header_hash};
  for (size_t i = 0; i < pieces.size(); ++i) {
    StoredTensor& tensor = entry.tensors[pieces[i].name];
    tensor.shape = pieces[i].shape;
    tensor.pieces.push_back({.kind = pieces[i].kind,
                             .dtype = pieces[i].dtype,
                             .range = pieces[i].range,
                             .file = name,
                             .key = tensors[i].name,
                             .hash = written.hashes[i]});
  }
  return entry;
}

/// Space for them is asked for before anything is written; headers and manifest are small.
int64_t bytes_to_write(const CheckpointTensors& tensors) {
  int64_t bytes = 0;
  for (const LocalPiece& piece : pieces_to_write(tensors))
    bytes += piece.range.size() * size_of(piece.dtype);
  return bytes;
}

}  // namespace

CheckpointSave::CheckpointSave(std::string folder, CheckpointState state,
                               const CheckpointTensors& tensors, ControlPlane& control)
    : folder_(std::move(folder)), state_(std::move(state)), control_(control) {
  SWALLOW_CHECK(state_.iteration >= 0, "iteration {}", state_.iteration);
  const std::vector<std::string> reports = agree_on(attempt(ExitCode::io, [&] {
    check_tensors(tensors);
    const std::string bytes = std::to_string(bytes_to_write(tensors));
    if (control_.rank() != 0) return bytes;
    pending_ = std::make_unique<PendingIteration>(folder_, state_.iteration);
    return fmt::format("{} {}", bytes, pending_->path().string());
  }));
  for (const std::string& report : reports) total_bytes_ += std::stoll(report);
  temporary_ = reports[0].substr(reports[0].find(' ') + 1);
}

CheckpointSave::~CheckpointSave() = default;

void CheckpointSave::write(const CheckpointTensors& source, const std::atomic<bool>& cancel) {
  report_ = attempt(ExitCode::io, [&] {
    const std::string name = fmt::format("rank-{:05}.safetensors", control_.rank());
    PieceReader reader(source, cancel);
    const ManifestEntry entry = write_rank_file(temporary_, name, pieces_to_write(source), reader);
    for (const auto& [file_name, file] : entry.files) written_bytes_ += file.size;
    return manifest_entry_text(entry);
  });
}

int64_t CheckpointSave::commit() {
  const std::vector<std::string> entries = agree_on(report_);
  agree_on(attempt(ExitCode::io, [&] {
    if (pending_ == nullptr) return std::string();
    Manifest manifest{.state = state_};
    for (const std::string& entry : entries) add_manifest_entry(manifest, entry);
    const fs::path path = fs::path(temporary_) / kManifestName;
    check_manifest(manifest, path.string());
    write_new_file(path, manifest_text(manifest));
    pending_->commit();
    write_tracker(folder_, state_.iteration);
    return std::string();
  }));
  return written_bytes_;
}

/// A message about one rank's file does not tell how much room the checkpoint needs.
std::vector<std::string> CheckpointSave::agree_on(std::string_view report) const {
  try {
    return agree(control_, ExitCode::io, report);
  } catch (const IoError& error) {
    if (total_bytes_ == 0) throw;
    throw IoError("{}; the checkpoint takes {} bytes in all", error.what(), total_bytes_);
  }
}

int64_t save_checkpoint(const std::string& folder, const CheckpointState& state,
                        const CheckpointTensors& tensors, ControlPlane& control) {
  CheckpointSave save(folder, state, tensors, control);
  save.write(tensors, false);
  return save.commit();
}

}  // namespace swallow
