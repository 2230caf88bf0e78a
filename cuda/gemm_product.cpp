#include "gemm_product.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>

#include "base/check.h"

namespace swallow::cuda {

namespace {

constexpr int kMaxCandidates = 32;
constexpr uintptr_t kMaxAlignment = 256;

/// The largest power of two that divides the address, up to what the library asks for.
int32_t alignment_of(const Tensor& tensor) {
  const uintptr_t bits = reinterpret_cast<uintptr_t>(tensor.data) | kMaxAlignment;
  return int32_t{1} << std::countr_zero(bits);
}

cublasOperation_t operation(Transpose transpose) {
  return transpose == Transpose::no ? CUBLAS_OP_N : CUBLAS_OP_T;
}

}  // namespace

cudaDataType_t lt_type(DType dtype) {
  if (dtype == DType::bf16) return CUDA_R_16BF;
  if (dtype == DType::f32) return CUDA_R_32F;
  throw DeviceError("gemm on a GPU takes bf16 or f32, got {}", name_of(dtype));
}

GemmKey key_of(const Gemm& op) {
  return {.m = op.m(),
          .n = op.n(),
          .k = op.k(),
          .input = op.a.dtype,
          .output = op.c.dtype,
          .transpose_a = op.transpose_a,
          .transpose_b = op.transpose_b,
          .beta = op.beta,
          .alignment_a = alignment_of(op.a),
          .alignment_b = alignment_of(op.b),
          .alignment_c = alignment_of(op.c),
          .workspace_bytes = op.workspace ? op.workspace.bytes() : 0};
}

LtProduct::LtProduct(const LtContext& context, const GemmKey& key)
    : context_(context),
      key_(key),
      description_(nullptr, context.functions.destroy_desc),
      a_(key.transpose_a == Transpose::no ? make_layout(key.input, key.m, key.k)
                                          : make_layout(key.input, key.k, key.m)),
      b_(key.transpose_b == Transpose::no ? make_layout(key.input, key.k, key.n)
                                          : make_layout(key.input, key.n, key.k)),
      c_(make_layout(key.output, key.m, key.n)) {
  const CublasLt& lt = context.functions;
  // fp32 accumulation for both input types; for fp32 inputs this is not TF32, which has a type of
  // its own (CUBLAS_COMPUTE_32F_FAST_TF32).
  cublasLtMatmulDesc_t description = nullptr;
  CUBLAS_CHECK(lt.create_desc(&description, CUBLAS_COMPUTE_32F, CUDA_R_32F));
  description_.reset(description);
  const int32_t first = operation(key.transpose_b);
  const int32_t second = operation(key.transpose_a);
  CUBLAS_CHECK(lt.set_desc(description, CUBLASLT_MATMUL_DESC_TRANSA, &first, sizeof first));
  CUBLAS_CHECK(lt.set_desc(description, CUBLASLT_MATMUL_DESC_TRANSB, &second, sizeof second));
}

LtProduct::Layout LtProduct::make_layout(DType dtype, int64_t rows, int64_t columns) const {
  cublasLtMatrixLayout_t layout = nullptr;
  CUBLAS_CHECK(context_.functions.create_layout(&layout, lt_type(dtype),
                                                static_cast<uint64_t>(columns),
                                                static_cast<uint64_t>(rows), columns));
  return {layout, context_.functions.destroy_layout};
}

std::vector<cublasLtMatmulAlgo_t> LtProduct::candidates() const {
  const CublasLt& lt = context_.functions;
  cublasLtMatmulPreference_t preference = nullptr;
  CUBLAS_CHECK(lt.create_preference(&preference));
  const LtDescriptor<cublasLtMatmulPreferenceOpaque_t> owner(preference, lt.destroy_preference);
  const auto set = [&](cublasLtMatmulPreferenceAttributes_t attribute, auto value) {
    CUBLAS_CHECK(lt.set_preference(preference, attribute, &value, sizeof value));
  };
  set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<uint64_t>(key_.workspace_bytes));
  // Parts of a sum over k are kept in fp32: the other schemes round them to c's type, but our
  // contract is one rounding.
  set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
      static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(key_.alignment_b));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(key_.alignment_a));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(key_.alignment_c));
  set(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(key_.alignment_c));

  std::array<cublasLtMatmulHeuristicResult_t, kMaxCandidates> results{};
  int count = 0;
  const cublasStatus_t status =
      lt.get_heuristic(context_.handle(), description_.get(), b_.get(), a_.get(), c_.get(),
                       c_.get(), preference, kMaxCandidates, results.data(), &count);
  if (status != CUBLAS_STATUS_NOT_SUPPORTED) CUBLAS_CHECK(status);
  std::vector<cublasLtMatmulAlgo_t> found;
  for (const auto& result : std::span(results).first(static_cast<size_t>(std::max(count, 0))))
    if (result.state == CUBLAS_STATUS_SUCCESS &&
        result.workspaceSize <= static_cast<size_t>(key_.workspace_bytes))
      found.push_back(result.algo);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED || found.empty())
    throw DeviceError("cuBLASLt has no kernel for a product of m {}, n {}, k {}, {} -> {}", key_.m,
                      key_.n, key_.k, name_of(key_.input), name_of(key_.output));
  return found;
}

bool LtProduct::accepts(const AlgorithmData& algorithm) const {
  cublasLtMatmulAlgo_t algo{};
  std::copy(algorithm.begin(), algorithm.end(), algo.data);
  cublasLtMatmulHeuristicResult_t result{};
  const cublasStatus_t status =
      context_.functions.check_algorithm(context_.handle(), description_.get(), b_.get(), a_.get(),
                                         c_.get(), c_.get(), &algo, &result);
  return status == CUBLAS_STATUS_SUCCESS &&
         result.workspaceSize <= static_cast<size_t>(key_.workspace_bytes);
}

cublasStatus_t LtProduct::enqueue(const cublasLtMatmulAlgo_t& algorithm, const Gemm& op, void* c,
                                  cudaStream_t queue) const {
  const float alpha = 1;  // read before the call returns
  const float beta = key_.beta == Beta::one ? 1 : 0;
  return context_.functions.matmul(context_.handle(), description_.get(), &alpha, op.b.data,
                                   b_.get(), op.a.data, a_.get(), &beta, c, c_.get(), c, c_.get(),
                                   &algorithm, op.workspace.data,
                                   static_cast<size_t>(key_.workspace_bytes), queue);
}

}  // namespace swallow::cuda
