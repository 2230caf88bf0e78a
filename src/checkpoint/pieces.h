// Which elements of which canonical tensors lie where in a rank's memory, and how two such pieces
// overlap. This is all that loading on another grid needs. Pure integers and addresses.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/dtype.h"
#include "checkpoint/checkpoint.h"
#include "model/params.h"
#include "tensor/tensor.h"

namespace swallow {

/// Of each canonical tensor a checkpoint holds the weights and the optimizer's three tensors.
enum class StateKind : uint8_t { weight, master, exp_avg, exp_avg_sq };
inline constexpr StateKind kStateKinds[] = {StateKind::weight, StateKind::master,
                                            StateKind::exp_avg, StateKind::exp_avg_sq};
std::string_view name_of(StateKind kind);

/// Elements [begin, end), in row-major order, of a rectangle of a canonical tensor. A tensor of one
/// dimension is a single column.
struct CanonicalRange {
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t column_begin = 0;
  int64_t column_end = 0;
  int64_t begin = 0;
  int64_t end = 0;

  [[nodiscard]] int64_t columns() const noexcept { return column_end - column_begin; }
  [[nodiscard]] int64_t area() const noexcept { return (row_end - row_begin) * columns(); }
  [[nodiscard]] int64_t size() const noexcept { return end - begin; }
  friend bool operator==(const CanonicalRange&, const CanonicalRange&) = default;
};

/// A range that a rank holds as one contiguous run.
struct HeldRange {
  std::string name;  // canonical
  Shape shape;       // of the whole canonical tensor
  CanonicalRange range;
  bool replicated = false;  // the tensor-parallel peers hold the same
  int64_t flat = 0;         // its first element in the flat buffers
  int64_t held = 0;         // ... in the tensor of its kind: the flat buffer or the shard
};

/// What a rank holds of `kind`, without padding: all its weights, or its shard of the state.
std::vector<HeldRange> held_ranges(const ParamLayout& layout, int shard_rank, StateKind kind);

/// A range that lies as one contiguous run in this rank's memory, or as two: a split master's.
struct LocalPiece {
  std::string name;  // canonical
  Shape shape;       // of the whole canonical tensor
  StateKind kind = StateKind::weight;
  DType dtype = DType::f32;  // in the file
  CanonicalRange range;
  bool replicated = false;        // the tensor-parallel peers hold the same
  std::byte* data = nullptr;      // of `dtype`; of a split master, the bf16 parameters
  std::byte* low_bits = nullptr;  // u16, of a split master only
};

/// held_ranges() in this rank's memory.
std::vector<LocalPiece> local_pieces(const CheckpointTensors& tensors, StateKind kind);

/// `count` elements that two ranges share, at these offsets from the ranges' first elements.
struct OverlapRun {
  int64_t source = 0;
  int64_t destination = 0;
  int64_t count = 0;
  friend bool operator==(const OverlapRun&, const OverlapRun&) = default;
};

/// Everything that two ranges of the same tensor share, in as few runs as possible.
std::vector<OverlapRun> overlap_runs(const CanonicalRange& source,
                                     const CanonicalRange& destination);

}  // namespace swallow
