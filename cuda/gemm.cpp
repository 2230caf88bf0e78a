// Matrix products on a GPU by cuBLASLt, accumulated in fp32. What a shape needs is made at its
// first product and kept on the stream; later products are one look-up and one call, without
// allocation. Deterministic for the same kernel, which is the library's favourite or the one in the
// tuning file. Compute-bound; a good run of large bf16 products reaches 70-80 % of the tensor
// cores' peak.
#include <algorithm>
#include <array>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/check.h"
#include "cublas.h"
#include "gemm_product.h"
#include "gemm_table.h"
#include "gemm_tuner.h"
#include "kernels/gemm.h"
#include "stream.h"

namespace swallow::cuda {

namespace {

struct HashKey {
  size_t operator()(const GemmKey& key) const noexcept {
    uint64_t hash = 0;
    const auto mix = [&](auto value) {
      // The golden ratio's bits spread neighbouring sizes over all of the word.
      hash = (hash ^ static_cast<uint64_t>(value)) * 0x9E3779B97F4A7C15U;
      hash ^= hash >> 32U;
    };
    mix(key.m);
    mix(key.n);
    mix(key.k);
    mix(key.workspace_bytes);
    mix((key.alignment_a << 20) | (key.alignment_b << 10) | key.alignment_c);
    mix((static_cast<int>(key.input) << 24) | (static_cast<int>(key.output) << 16) |
        (static_cast<int>(key.transpose_a) << 9) | (static_cast<int>(key.transpose_b) << 8) |
        static_cast<int>(key.beta));
    return hash;
  }
};

/// A product and the kernels that may run it: the stored one if any, then those that the library
/// offers.
struct Plan {
  LtProduct product;
  std::vector<cublasLtMatmulAlgo_t> candidates;
  size_t chosen = 0;
  GemmRecord record;
};

/// What a stream keeps.
struct Products {
  LtContext context;
  GemmTuning tuning;
  GemmTable table;
  std::unordered_map<GemmKey, Plan, HashKey> plans;
};

AlgorithmData data_of(const cublasLtMatmulAlgo_t& algorithm) {
  return std::to_array(algorithm.data);
}

GemmRecord record_of(const GemmKey& key, size_t num_candidates) {
  GemmRecord record;
  record.m = key.m;
  record.n = key.n;
  record.k = key.k;
  record.input = key.input;
  record.output = key.output;
  record.transpose_a = key.transpose_a;
  record.transpose_b = key.transpose_b;
  record.beta = key.beta;
  record.num_candidates = static_cast<int>(num_candidates);
  record.candidate = 0;
  return record;
}

/// Puts a stored kernel before the candidates.
void use_stored(Plan& plan, const TunedGemm& stored) {
  cublasLtMatmulAlgo_t algorithm{};
  std::copy(stored.algorithm.begin(), stored.algorithm.end(), algorithm.data);
  plan.candidates.insert(plan.candidates.begin(), algorithm);
  plan.chosen = 0;
  plan.record.candidate = -1;
  plan.record.choice = GemmChoice::stored;
  plan.record.heuristic_ms = stored.heuristic_ms;
  plan.record.chosen_ms = stored.chosen_ms;
}

/// Measures the candidates. `unusable`: a stored kernel that the library refuses, or nullptr.
void tune(Products& products, Stream& stream, const Gemm& op, const TunedGemm* unusable,
          Plan& plan) {
  const auto fastest = measure(stream, op, plan.product, plan.candidates);
  if (!fastest) return;
  const TunedGemm mine{data_of(plan.candidates[fastest->candidate]), fastest->first_ms,
                       fastest->best_ms};
  const TunedGemm kept = products.table.insert(key_of(op), mine, unusable);
  if (!(kept == mine) && plan.product.accepts(kept.algorithm)) return use_stored(plan, kept);
  plan.chosen = fastest->candidate;
  plan.record.candidate = static_cast<int>(plan.chosen);
  plan.record.choice = GemmChoice::measured;
  plan.record.heuristic_ms = fastest->first_ms;
  plan.record.chosen_ms = fastest->best_ms;
}

Plan& find_plan(Products& products, Stream& stream, const Gemm& op) {
  const GemmKey key = key_of(op);
  const auto found = products.plans.find(key);
  if (found != products.plans.end()) return found->second;
  Plan plan{LtProduct(products.context, key), {}, 0, {}};
  plan.candidates = plan.product.candidates();
  plan.record = record_of(key, plan.candidates.size());
  const TunedGemm* stored = products.table.find(key);
  if (stored != nullptr && plan.product.accepts(stored->algorithm))
    use_stored(plan, *stored);
  else if (products.tuning.enabled)
    tune(products, stream, op, stored, plan);
  return products.plans.emplace(key, std::move(plan)).first->second;
}

/// Whether another kernel may do what this one refused: not after a fault of the device.
bool is_refusal(cublasStatus_t status) {
  return status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE ||
         status == CUBLAS_STATUS_ARCH_MISMATCH;
}

GpuIdentity identity_of(Device device, const CublasLt& lt) {
  cudaDeviceProp properties{};
  CUDA_CHECK(cudaGetDeviceProperties(&properties, device.index));
  return {properties.name, 10 * properties.major + properties.minor,
          static_cast<int64_t>(lt.get_version())};
}

}  // namespace

void run(Stream& stream, const Gemm& op) {
  lt_type(op.a.dtype);
  if (op.m() == 0 || op.n() == 0) return;
  cudaStream_t queue = enter(stream);
  if (op.k() == 0) {
    if (op.beta == Beta::zero) zero(stream, op.c);
    return;
  }
  Plan& plan = find_plan(stream.extension<Products>(), stream, op);
  cublasStatus_t status = plan.product.enqueue(plan.candidates[plan.chosen], op, op.c.data, queue);
  // A kernel that the library offers may still refuse to run; the first product shows it.
  while (plan.record.launches == 0 && is_refusal(status) &&
         plan.chosen + 1 < plan.candidates.size()) {
    ++plan.chosen;
    ++plan.record.candidate;
    plan.record.choice = GemmChoice::heuristic;
    status = plan.product.enqueue(plan.candidates[plan.chosen], op, op.c.data, queue);
  }
  CUBLAS_CHECK(status);
  ++plan.record.launches;
}

void run(Stream& stream, const GemmTuning& tuning) {
  enter(stream);
  auto& products = stream.extension<Products>();
  products.tuning = tuning;
  products.table =
      GemmTable(tuning.cache_folder, identity_of(stream.device(), products.context.functions));
  products.plans.clear();
}

void run(Stream& stream, const ListGemmRecords& op) {
  enter(stream);
  op.records.clear();
  for (const auto& [key, plan] : stream.extension<Products>().plans)
    op.records.push_back(plan.record);
  std::sort(op.records.begin(), op.records.end(), [](const GemmRecord& x, const GemmRecord& y) {
    const auto fields = [](const GemmRecord& r) {
      return std::tie(r.m, r.n, r.k, r.input, r.output, r.transpose_a, r.transpose_b, r.beta);
    };
    return fields(x) < fields(y);
  });
}

}  // namespace swallow::cuda
