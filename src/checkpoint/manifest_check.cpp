// The rules that span the entries of a manifest: nothing missing, nothing twice.
#include <algorithm>
#include <iterator>
#include <set>
#include <tuple>

#include "base/check.h"
#include "checkpoint/manifest.h"
#include "checkpoint/strict_json.h"

namespace swallow {

namespace {

using Pieces = std::vector<const StoredPiece*>;

auto rectangle(const CanonicalRange& range) {
  return std::tie(range.row_begin, range.row_end, range.column_begin, range.column_end);
}

/// Pieces sorted by rectangle and position: those of one rectangle must follow each other from its
/// first element to its last. Returns one range for each rectangle.
std::vector<CanonicalRange> check_ranges(const Pieces& sorted, const std::string& where) {
  std::vector<CanonicalRange> rectangles;
  int64_t covered = 0;  // of the last rectangle
  const auto check_complete = [&] {
    if (!rectangles.empty() && covered != rectangles.back().area())
      throw CheckpointError("{}: elements {} to {} of rows {} to {} are missing", where, covered,
                            rectangles.back().area(), rectangles.back().row_begin,
                            rectangles.back().row_end);
  };
  for (const StoredPiece* piece : sorted) {
    if (rectangles.empty() || rectangle(rectangles.back()) != rectangle(piece->range)) {
      check_complete();
      rectangles.push_back(piece->range);
      covered = 0;
    }
    if (piece->range.begin != covered)
      throw CheckpointError("{}: elements {} to {} of rows {} to {} are {}", where,
                            std::min(covered, piece->range.begin),
                            std::max(covered, piece->range.begin), piece->range.row_begin,
                            piece->range.row_end,
                            piece->range.begin < covered ? "stored twice" : "missing");
    covered = piece->range.end;
  }
  check_complete();
  return rectangles;
}

/// Sweeps over the rows; the rectangles that a row cuts must not share a column.
void check_disjoint(const std::vector<CanonicalRange>& rectangles, const std::string& where) {
  std::vector<std::tuple<int64_t, int, const CanonicalRange*>> events;  // ends before beginnings
  for (const CanonicalRange& r : rectangles) {
    events.emplace_back(r.row_begin, 1, &r);
    events.emplace_back(r.row_end, 0, &r);
  }
  std::ranges::sort(events);
  std::map<int64_t, int64_t> columns;  // begin -> end, of the rectangles cut by the present row
  for (const auto& [row, begins, r] : events) {
    if (begins == 0) {
      columns.erase(r->column_begin);
      continue;
    }
    const auto next = columns.lower_bound(r->column_begin);
    const bool free_after = next == columns.end() || next->first >= r->column_end;
    const bool free_before = next == columns.begin() || std::prev(next)->second <= r->column_begin;
    if (!free_after || !free_before)
      throw CheckpointError("{}: row {} is stored twice", where, row);
    columns.emplace(r->column_begin, r->column_end);
  }
}

/// Whether there are pieces; if there are, they tile the tensor.
bool check_tiling(const StoredTensor& tensor, StateKind kind, const std::string& where) {
  Pieces pieces;
  for (const StoredPiece& piece : tensor.pieces)
    if (piece.kind == kind) pieces.push_back(&piece);
  if (pieces.empty()) return false;
  for (const StoredPiece* piece : pieces)
    if (piece->dtype != pieces.front()->dtype)
      throw CheckpointError("{}: pieces of different types", where);
  std::ranges::sort(pieces, {}, [](const StoredPiece* piece) {
    return std::tuple_cat(rectangle(piece->range), std::tie(piece->range.begin));
  });
  const std::vector<CanonicalRange> rectangles = check_ranges(pieces, where);
  check_disjoint(rectangles, where);
  int64_t covered = 0;  // disjoint and inside the shape, so their sum cannot overflow
  for (const CanonicalRange& r : rectangles) covered += r.area();
  if (covered != tensor.shape.numel())
    throw CheckpointError("{}: {} of {} elements are stored", where, covered, tensor.shape.numel());
  return true;
}

/// Every piece has its own key in a listed file, every file holds pieces and room for them.
void check_files(const Manifest& manifest, const std::string& file) {
  std::map<std::string, int64_t> bytes_in;
  std::set<std::pair<std::string_view, std::string_view>> keys;
  for (const auto& [name, tensor] : manifest.tensors) {
    for (const StoredPiece& piece : tensor.pieces) {
      const std::string where = fmt::format("{}: tensor {}", file, in_quotes(name));
      if (!manifest.files.contains(piece.file))
        throw CheckpointError("{}: file {} is not listed", where, in_quotes(piece.file));
      if (!keys.emplace(piece.file, piece.key).second)
        throw CheckpointError("{}: key {} of {} is used twice", where, in_quotes(piece.key),
                              piece.file);
      int64_t& bytes = bytes_in[piece.file];
      if (__builtin_add_overflow(bytes, piece.range.size() * size_of(piece.dtype), &bytes))
        throw CheckpointError("{}: more bytes than a file can hold", where);
    }
  }
  for (const auto& [name, stored] : manifest.files)
    if (!bytes_in.contains(name) || bytes_in[name] >= stored.size)
      throw CheckpointError("{}: file {} of {} bytes is listed with {} bytes of tensors", file,
                            in_quotes(name), stored.size, bytes_in[name]);
}

}  // namespace

void check_manifest(const Manifest& manifest, const std::string& file) {
  if (manifest.tensors.empty()) throw CheckpointError("{}: no tensors", file);
  for (const auto& [name, tensor] : manifest.tensors) {
    for (const StateKind kind : kStateKinds) {
      const std::string where =
          fmt::format("{}: tensor {}: {}", file, in_quotes(name), name_of(kind));
      const bool stored = check_tiling(tensor, kind, where);
      // The state is complete or absent, the same for all kinds and tensors.
      const bool expected = kind == StateKind::weight || has_kind(manifest, StateKind::master);
      if (stored != expected)
        throw CheckpointError("{}: {}", where,
                              stored ? "stored here, but not everywhere" : "missing");
    }
  }
  check_files(manifest, file);
}

bool has_kind(const Manifest& manifest, StateKind kind) {
  if (manifest.tensors.empty()) return false;
  return std::ranges::any_of(manifest.tensors.begin()->second.pieces,
                             [&](const StoredPiece& piece) { return piece.kind == kind; });
}

}  // namespace swallow
