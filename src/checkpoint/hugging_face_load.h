// From a Hugging Face folder into a rank: which bytes of which files it needs, and reading only
// those. Weights are rounded to the parameters' type. A master is made from the file's own number
// where that says more than the parameter; else it equals the parameter.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "checkpoint/hugging_face_folder.h"
#include "checkpoint/pieces.h"

namespace swallow {

/// `count` runs of `bytes` bytes of a file, from `offset` on, each `stride` after the one before.
struct ByteRuns {
  int64_t offset = 0;
  int64_t bytes = 0;
  int64_t stride = 0;
  int64_t count = 1;
  [[nodiscard]] int64_t total() const noexcept { return bytes * count; }
  friend bool operator==(const ByteRuns&, const ByteRuns&) = default;
};

/// Where the elements of `range` lie, in order, in a whole tensor of `columns` columns that begins
/// at `offset` of its file: at most three runs.
std::vector<ByteRuns> byte_runs(const CanonicalRange& range, int64_t columns, int64_t element_bytes,
                                int64_t offset);

/// A range that a rank reads, and where it lies.
struct FolderRead {
  std::string tensor;
  StateKind kind = StateKind::weight;  // or master
  std::string file;                    // its name in the folder
  CanonicalRange range;
  std::vector<ByteRuns> runs;
  [[nodiscard]] int64_t bytes() const noexcept;
};

/// What the rank that holds `layout` and shard `shard_rank` reads; no number is read for it.
std::vector<FolderRead> plan_folder_reads(const HuggingFaceFolder& folder,
                                          const ParamLayout& layout, int shard_rank,
                                          DType params_dtype);

struct FolderLoad {
  int64_t bytes_read = 0;  // by this rank, of tensors
  std::vector<std::string> notices;
};

/// Collective. Fills parameters and masters of `tensors`, whose model has the folder's shape; the
/// moments stay as they are. Throws the same CheckpointError on all ranks. As after
/// load_checkpoint(), parameters must be gathered before the ranks compute.
FolderLoad load_hugging_face(const std::string& path, const CheckpointTensors& tensors,
                             ControlPlane& control);

}  // namespace swallow
