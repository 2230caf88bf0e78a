// manifest.json: what an iteration's folder holds, where each range of each canonical tensor lies,
// and the hashes to know it by. Written last, read first, trusted only after every rule here holds.
// The file ends in its own hash, so that no byte of it can change unseen.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/pieces.h"

namespace swallow {

inline constexpr std::string_view kManifestName = "manifest.json";

/// A range of a canonical tensor, stored whole as tensor `key` of a file.
struct StoredPiece {
  StateKind kind = StateKind::weight;
  DType dtype = DType::f32;  // f32, bf16 or f64
  CanonicalRange range;
  std::string file;
  std::string key;
  std::string hash;  // XXH3-128 of its bytes
};

struct StoredTensor {
  Shape shape;  // [rows, columns] or [rows]
  std::vector<StoredPiece> pieces;
};

/// With the hashes of its pieces, `header_hash` covers every byte of a file.
struct StoredFile {
  int64_t size = 0;
  std::string header_hash;
};

struct Manifest {
  CheckpointState state;
  std::map<std::string, StoredFile> files;      // by name inside the folder
  std::map<std::string, StoredTensor> tensors;  // by canonical name
  std::string hash;                             // of its text, once read
};

/// What one rank has written: at most one file and the pieces in it, not yet checked.
struct ManifestEntry {
  std::map<std::string, StoredFile> files;
  std::map<std::string, StoredTensor> tensors;
};
std::string manifest_entry_text(const ManifestEntry& entry);
/// Adds the entry to the manifest. Throws CheckpointError when two ranks disagree about a shape.
void add_manifest_entry(Manifest& manifest, std::string_view entry_text);

std::string manifest_text(const Manifest& manifest);

/// Parses and checks. `file` is named in messages. Throws CheckpointError.
Manifest parse_manifest(std::span<const std::byte> text, const std::string& file);

/// The manifest of an iteration's folder, of which it must be.
Manifest read_manifest(const std::filesystem::path& folder, int64_t iteration);

/// Weights of every tensor, and either the whole optimizer state or nothing of it; the pieces of a
/// kind tile each tensor exactly once; every piece lies in a listed file and every file is used.
/// Throws CheckpointError.
void check_manifest(const Manifest& manifest, const std::string& file);

/// Whether the checkpoint holds pieces of `kind`: of all tensors, or of none.
bool has_kind(const Manifest& manifest, StateKind kind);

}  // namespace swallow
