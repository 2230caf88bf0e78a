#include "checkpoint/pieces.h"

#include <algorithm>

#include "base/math.h"
#include "kernels/adamw.h"

namespace swallow {

namespace {

/// Columns [begin, end) of one canonical row; `offset`: elements of the range before them.
struct RowSegment {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t offset = 0;
};

int64_t first_row(const CanonicalRange& range) {
  return range.row_begin + range.begin / range.columns();
}

int64_t end_row(const CanonicalRange& range) {
  return range.row_begin + ceil_div(range.end, range.columns());
}

RowSegment segment(const CanonicalRange& range, int64_t row) {
  const int64_t row_start = (row - range.row_begin) * range.columns();
  const int64_t begin = std::max(range.begin, row_start);
  const int64_t end = std::min(range.end, row_start + range.columns());
  return {.begin = range.column_begin + begin - row_start,
          .end = range.column_begin + end - row_start,
          .offset = begin - range.begin};
}

const Tensor& tensor_of(const CheckpointTensors& tensors, StateKind kind) {
  switch (kind) {
    case StateKind::weight:
      return tensors.params;
    case StateKind::master:
      return tensors.master;
    case StateKind::exp_avg:
      return tensors.exp_avg;
    case StateKind::exp_avg_sq:
      return tensors.exp_avg_sq;
  }
  throw ContractError("no such kind: {}", static_cast<int>(kind));
}

/// Weights are held whole, wherever the optimizer's shards are cut.
std::vector<ShardPiece> held_pieces(const ParamLayout& layout, int shard_rank, StateKind kind) {
  if (kind != StateKind::weight) return layout.pieces(shard_rank);
  std::vector<ShardPiece> whole;
  for (size_t i = 0; i < layout.specs().size(); ++i) {
    const FlatRange flat = layout.param(i);
    // All elements are in the buffer itself: flat offsets serve for both.
    whole.push_back({.param = static_cast<int>(i),
                     .begin = 0,
                     .end = flat.size(),
                     .flat = flat.begin,
                     .shard = flat.begin});
  }
  return whole;
}

}  // namespace

std::string_view name_of(StateKind kind) {
  switch (kind) {
    case StateKind::weight:
      return "weight";
    case StateKind::master:
      return "master";
    case StateKind::exp_avg:
      return "exp_avg";
    case StateKind::exp_avg_sq:
      return "exp_avg_sq";
  }
  return "?";
}

std::vector<HeldRange> held_ranges(const ParamLayout& layout, int shard_rank, StateKind kind) {
  std::vector<HeldRange> result;
  for (const ShardPiece& held : held_pieces(layout, shard_rank, kind)) {
    const ParamSpec& spec = layout.specs()[static_cast<size_t>(held.param)];
    for (const CanonicalPart& part : spec.parts) {
      const int64_t part_begin = part.local_row * part.columns();
      const int64_t begin = std::max(held.begin, part_begin);
      const int64_t end = std::min(held.end, part_begin + part.numel());
      if (begin >= end) continue;
      const int64_t offset = begin - held.begin;
      result.push_back({.name = part.name,
                        .shape = part.shape,
                        .range = {.row_begin = part.row_begin,
                                  .row_end = part.row_end,
                                  .column_begin = part.column_begin,
                                  .column_end = part.column_end,
                                  .begin = begin - part_begin,
                                  .end = end - part_begin},
                        .replicated = spec.replicated,
                        .flat = held.flat + offset,
                        .held = held.shard + offset});
    }
  }
  return result;
}

std::vector<LocalPiece> local_pieces(const CheckpointTensors& tensors, StateKind kind) {
  const Tensor& held_in = tensor_of(tensors, kind);
  const bool split = kind == StateKind::master && is_split_master(held_in);
  const auto element = [](const Tensor& tensor, int64_t index) {
    return static_cast<std::byte*>(tensor.data) + index * size_of(tensor.dtype);
  };
  std::vector<LocalPiece> result;
  for (HeldRange& held : held_ranges(*tensors.layout, tensors.shard_rank, kind))
    result.push_back(
        {.name = std::move(held.name),
         .shape = held.shape,
         .kind = kind,
         .dtype = split ? DType::f32 : held_in.dtype,
         .range = held.range,
         .replicated = held.replicated,
         .data = split ? element(tensors.params, held.flat) : element(held_in, held.held),
         .low_bits = split ? element(held_in, held.held) : nullptr});
  return result;
}

std::vector<OverlapRun> overlap_runs(const CanonicalRange& source,
                                     const CanonicalRange& destination) {
  std::vector<OverlapRun> runs;
  if (source.size() <= 0 || destination.size() <= 0) return runs;
  const int64_t row_end = std::min(end_row(source), end_row(destination));
  for (int64_t row = std::max(first_row(source), first_row(destination)); row < row_end; ++row) {
    const RowSegment from = segment(source, row);
    const RowSegment to = segment(destination, row);
    const int64_t begin = std::max(from.begin, to.begin);
    const int64_t end = std::min(from.end, to.end);
    if (begin >= end) continue;
    const OverlapRun run{.source = from.offset + begin - from.begin,
                         .destination = to.offset + begin - to.begin,
                         .count = end - begin};
    OverlapRun* last = runs.empty() ? nullptr : &runs.back();
    if (last != nullptr && last->source + last->count == run.source &&
        last->destination + last->count == run.destination)
      last->count += run.count;
    else
      runs.push_back(run);
  }
  return runs;
}

}  // namespace swallow
