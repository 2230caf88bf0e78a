// The file that keeps which kernel of cuBLASLt was the fastest for a product, one file per GPU
// model and library version: elsewhere the entries mean nothing. Needs no GPU. A file that is
// missing, damaged or of another GPU counts as empty and is replaced at the next insert.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "kernels/gemm.h"

namespace swallow::cuda {

/// All that the choice of a kernel may depend on.
struct GemmKey {
  int64_t m = 0, n = 0, k = 0;
  DType input = DType::f32, output = DType::f32;
  Transpose transpose_a = Transpose::no, transpose_b = Transpose::no;
  Beta beta = Beta::zero;
  // Of the addresses, in bytes: powers of two up to 256, which is all that the library asks.
  int32_t alignment_a = 0, alignment_b = 0, alignment_c = 0;
  int64_t workspace_bytes = 0;
  friend auto operator<=>(const GemmKey&, const GemmKey&) = default;
};

/// cublasLtMatmulAlgo_t's contents, which may be stored for the same version of the library.
using AlgorithmData = std::array<uint64_t, 8>;

struct TunedGemm {
  AlgorithmData algorithm{};
  double heuristic_ms = 0;  // of the library's favourite
  double chosen_ms = 0;
  friend bool operator==(const TunedGemm&, const TunedGemm&) = default;
};

struct GpuIdentity {
  std::string name;            // "NVIDIA H200"
  int compute_capability = 0;  // 90
  int64_t library_version = 0;
  friend bool operator==(const GpuIdentity&, const GpuIdentity&) = default;
};

class GemmTable {
 public:
  /// In memory only.
  GemmTable() = default;
  /// Reads the GPU's file in `folder`; neither needs to exist. An empty name: in memory only.
  GemmTable(const std::filesystem::path& folder, GpuIdentity gpu);

  /// Empty for a table in memory.
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  [[nodiscard]] const TunedGemm* find(const GemmKey& key) const;

  /// Stores `tuned` and returns it; or returns what the file holds for `key` by now, from another
  /// rank that was quicker, so that all agree with the file. `unusable`: what the file may hold
  /// that is to be replaced. Throws IoError.
  TunedGemm insert(const GemmKey& key, const TunedGemm& tuned, const TunedGemm* unusable = nullptr);

 private:
  std::filesystem::path path_;
  GpuIdentity gpu_;
  std::map<GemmKey, TunedGemm> entries_;
};

}  // namespace swallow::cuda
