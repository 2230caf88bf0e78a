// Loading, on any grid: each rank works out which stored pieces overlap what it holds, reads those
// pieces whole, because the hash covers them whole, and copies what they share.
#include <algorithm>
#include <compare>
#include <filesystem>
#include <map>

#include "checkpoint/all_ranks.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/iteration_folder.h"
#include "checkpoint/manifest.h"
#include "checkpoint/pieces.h"
#include "checkpoint/rank_memory.h"
#include "checkpoint/stored_files.h"
#include "checkpoint/strict_json.h"
#include "optim/master_weights.h"

namespace swallow {

namespace fs = std::filesystem;

namespace {

/// A stored piece to be read, and what it fills at least a part of.
struct PieceRead {
  const StoredPiece* stored = nullptr;
  LocalPiece local;
};

/// Weights come before state, because a split master writes the parameters of its shard too. Then
/// by file, so that each is opened once for either.
struct ReadTurn {
  bool is_state = false;
  std::string file;
  friend auto operator<=>(const ReadTurn&, const ReadTurn&) = default;
};
using LoadPlan = std::map<ReadTurn, std::vector<PieceRead>>;

std::vector<LocalPiece> wanted_pieces(const Manifest& manifest, LoadScope scope,
                                      const CheckpointTensors& tensors, const std::string& file) {
  std::vector<StateKind> kinds = {StateKind::weight, StateKind::master};
  if (scope == LoadScope::everything) {
    kinds = {std::begin(kStateKinds), std::end(kStateKinds)};
    if (!has_kind(manifest, StateKind::master))
      throw CheckpointError("{}: holds weights only, no optimizer state to resume from", file);
  } else if (!has_kind(manifest, StateKind::master)) {
    kinds = {StateKind::weight};
  }
  std::vector<LocalPiece> wanted;
  for (const StateKind kind : kinds)
    for (LocalPiece& piece : local_pieces(tensors, kind)) wanted.push_back(std::move(piece));
  return wanted;
}

/// Finds the stored pieces for `wanted`; together they must hold each of its elements.
void plan_piece(const Manifest& manifest, const LocalPiece& wanted, const std::string& file,
                LoadPlan& plan) {
  const std::string where =
      fmt::format("{}: tensor {}: {}", file, in_quotes(wanted.name), name_of(wanted.kind));
  const auto found = manifest.tensors.find(wanted.name);
  if (found == manifest.tensors.end())
    throw CheckpointError("{}: the model has it, the checkpoint has not", where);
  const StoredTensor& tensor = found->second;
  if (tensor.shape != wanted.shape)
    throw CheckpointError("{}: shape {} is stored, the model has {}", where,
                          to_string(tensor.shape), to_string(wanted.shape));
  int64_t filled = 0;
  for (const StoredPiece& stored : tensor.pieces) {
    if (stored.kind != wanted.kind) continue;
    if (stored.dtype != wanted.dtype)
      throw CheckpointError("{}: {} is stored, the model has {}", where, name_of(stored.dtype),
                            name_of(wanted.dtype));
    int64_t shared = 0;
    for (const OverlapRun& run : overlap_runs(stored.range, wanted.range)) shared += run.count;
    if (shared > 0)
      plan[{.is_state = wanted.kind != StateKind::weight, .file = stored.file}].push_back(
          {.stored = &stored, .local = wanted});
    filled += shared;
  }
  if (filled != wanted.range.size())
    throw CheckpointError("{}: {} of {} elements are stored", where, filled, wanted.range.size());
}

/// Which tensors of the manifest this rank takes from: '1' or '0' for each, in order.
std::string taken_tensors(const Manifest& manifest, const std::vector<LocalPiece>& wanted) {
  std::map<std::string_view, bool> taken;
  for (const LocalPiece& piece : wanted) taken[piece.name] = true;
  std::string bits;
  for (const auto& [name, tensor] : manifest.tensors) bits += taken.contains(name) ? '1' : '0';
  return bits;
}

/// All ranks must have read the same manifest, and some rank must want each tensor in it.
void check_agreement(const Manifest& manifest, const std::vector<std::string>& reports,
                     const std::string& file) {
  constexpr size_t kHashDigits = 32;
  for (const std::string& report : reports)
    if (report.substr(0, kHashDigits) != reports[0].substr(0, kHashDigits))
      throw CheckpointError("{}: ranks 0 and {} read different bytes", file,
                            &report - reports.data());
  size_t bit = kHashDigits;
  for (const auto& [name, tensor] : manifest.tensors) {
    if (std::ranges::none_of(reports, [&](const auto& report) { return report.at(bit) == '1'; }))
      throw CheckpointError("{}: tensor {}: the checkpoint has it, the model has not", file,
                            in_quotes(name));
    ++bit;
  }
}

void read_piece(const TensorFile& file, const PieceRead& read, RankMemory& memory) {
  const StoredPiece& stored = *read.stored;
  const int64_t element = size_of(stored.dtype);
  const auto consume = [&](std::span<const std::byte> bytes, int64_t offset) {
    CanonicalRange part = stored.range;
    part.begin += offset / element;
    part.end = part.begin + static_cast<int64_t>(bytes.size()) / element;
    for (const OverlapRun& run : overlap_runs(part, read.local.range))
      memory.write(read.local, run.destination,
                   bytes.subspan(static_cast<size_t>(run.source * element),
                                 static_cast<size_t>(run.count * element)));
  };
  check_stored_hash(file, stored, file.read(find_stored(file, stored), consume));
}

void read_pieces(const fs::path& folder, const Manifest& manifest, const LoadPlan& plan,
                 RankMemory& memory) {
  for (const auto& [turn, reads] : plan) {
    const TensorFile file = open_stored_file(folder, manifest, turn.file);
    for (const PieceRead& read : reads) read_piece(file, read, memory);
  }
}

/// What load_checkpoint() overwrites becomes zero, so that padding has one value.
void clear(const CheckpointTensors& tensors, LoadScope scope, Stream& stream) {
  zero(stream, tensors.params);
  zero(stream, tensors.master);
  if (scope == LoadScope::weights_only) return;
  zero(stream, tensors.exp_avg);
  zero(stream, tensors.exp_avg_sq);
}

}  // namespace

CheckpointState load_checkpoint(const std::string& folder, int64_t iteration, LoadScope scope,
                                const CheckpointTensors& tensors, ControlPlane& control) {
  fs::path path;
  Manifest manifest;
  LoadPlan plan;
  const std::vector<std::string> reports = on_all_ranks(control, ExitCode::checkpoint, [&] {
    path = committed_folder(folder, iteration);
    const std::string file = (path / kManifestName).string();
    manifest = read_manifest(path, iteration);
    const std::vector<LocalPiece> wanted = wanted_pieces(manifest, scope, tensors, file);
    for (const LocalPiece& piece : wanted) plan_piece(manifest, piece, file, plan);
    return manifest.hash + taken_tensors(manifest, wanted);
  });
  check_agreement(manifest, reports, (path / kManifestName).string());
  on_all_ranks(control, ExitCode::checkpoint, [&] {
    RankMemory memory(tensors);
    clear(tensors, scope, memory.stream());
    read_pieces(path, manifest, plan, memory);
    if (!has_kind(manifest, StateKind::master))
      master_from_params(memory.stream(), *tensors.layout, tensors.shard_rank, tensors.params,
                         tensors.master);
    memory.stream().synchronize();
    return std::string();
  });
  return manifest.state;
}

}  // namespace swallow
