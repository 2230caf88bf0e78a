// Saving and finding. A save is three steps that all ranks agree on: rank 0 makes a temporary
// folder, every rank writes its file there, rank 0 writes the manifest and renames the folder.
#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

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
  int64_t bad = 0;  // no early exit: this way the loop runs at the speed of memory
  for (int64_t i = 0; i < count; ++i) bad += std::isfinite(convert<Accumulate<T>>(data[i])) ? 0 : 1;
  return bad;
}

/// A non-finite number must never become the state that a run resumes from.
void check_finite(const LocalPiece& piece, RankMemory& memory) {
  const int64_t total = piece.range.size();
  const int64_t chunk = kFileChunk / size_of(piece.dtype);
  int64_t bad = 0;
  for (int64_t begin = 0; begin < total; begin += chunk) {
    const auto bytes = memory.read(piece, begin, std::min(chunk, total - begin));
    visit_dtype(piece.dtype,
                [&]<class T>(std::type_identity<T>) { bad += count_non_finite<T>(bytes); });
  }
  if (bad > 0)
    throw NonFiniteError("{}: {} holds {} numbers that are not finite; nothing is saved",
                         piece.name, name_of(piece.kind), bad);
}

/// `piece` and `memory` outlive the result.
TensorToWrite tensor_to_write(const LocalPiece& piece, RankMemory& memory) {
  TensorToWrite tensor{.name = piece.name,
                       .type = number_type(piece.dtype),
                       .bytes = [&memory, &piece](int64_t offset, int64_t bytes) {
                         const int64_t element = size_of(piece.dtype);
                         return memory.read(piece, exact_div(offset, element),
                                            exact_div(bytes, element));
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
                              const std::vector<LocalPiece>& pieces, RankMemory& memory) {
  ManifestEntry entry;
  if (pieces.empty()) return entry;
  std::vector<TensorToWrite> tensors;
  for (const LocalPiece& piece : pieces) {
    check_finite(piece, memory);
    tensors.push_back(tensor_to_write(piece, memory));
  }
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

void commit(PendingIteration& pending, const fs::path& folder, const CheckpointState& state,
            const std::vector<std::string>& entries) {
  Manifest manifest{.state = state};
  for (const std::string& entry : entries) add_manifest_entry(manifest, entry);
  const fs::path path = pending.path() / kManifestName;
  check_manifest(manifest, path.string());
  write_new_file(path, manifest_text(manifest));
  pending.commit();
  write_tracker(folder, state.iteration);
}

/// Whether an iteration has a valid manifest and its files have the right sizes.
bool is_whole(const fs::path& folder, int64_t iteration) {
  try {
    const fs::path path = committed_folder(folder, iteration);
    const Manifest manifest = read_manifest(path, iteration);
    return std::ranges::all_of(manifest.files, [&](const auto& file) {
      return File::open(path / file.first).size() == file.second.size;
    });
  } catch (const CheckpointError&) {
    return false;  // the caller looks for another one
  }
}

}  // namespace

int64_t save_checkpoint(const std::string& folder, const CheckpointState& state,
                        const CheckpointTensors& tensors, ControlPlane& control) {
  SWALLOW_CHECK(state.iteration >= 0, "iteration {}", state.iteration);
  const bool is_first = control.rank() == 0;
  std::optional<PendingIteration> pending;  // leaving early removes the folder, after all ranks
  const std::string temporary = on_all_ranks(control, ExitCode::io, [&] {
    check_tensors(tensors);
    if (is_first) pending.emplace(folder, state.iteration);
    return is_first ? pending->path().string() : std::string();
  })[0];
  int64_t bytes = 0;
  const std::vector<std::string> entries = on_all_ranks(control, ExitCode::io, [&] {
    const std::string name = fmt::format("rank-{:05}.safetensors", control.rank());
    RankMemory memory(tensors);
    const ManifestEntry entry = write_rank_file(temporary, name, pieces_to_write(tensors), memory);
    for (const auto& [file_name, file] : entry.files) bytes += file.size;
    return manifest_entry_text(entry);
  });
  on_all_ranks(control, ExitCode::io, [&] {
    if (is_first) commit(*pending, folder, state, entries);
    return std::string();
  });
  return bytes;
}

std::optional<int64_t> find_checkpoint(const std::string& folder) {
  const std::vector<int64_t> iterations = committed_iterations(folder);
  const auto tracked = read_tracker(folder);
  if (tracked && is_whole(folder, *tracked)) return tracked;
  const auto whole =
      std::ranges::find_if(iterations, [&](int64_t i) { return is_whole(folder, i); });
  return whole == iterations.end() ? std::nullopt : std::optional(*whole);
}

CheckpointState read_checkpoint_state(const std::string& folder, int64_t iteration) {
  return read_manifest(committed_folder(folder, iteration), iteration).state;
}

}  // namespace swallow
