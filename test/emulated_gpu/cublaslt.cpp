// A stand-in for libcublasLt.so.13: the functions that our backend opens, for column-major products
// in bf16 and fp32. It refuses what the real library refuses (an attribute of the wrong size, a
// leading dimension that is too small, types without a kernel, an address or a workspace less
// aligned than promised), and offers several algorithms that differ in what they need and in how
// they round. SWALLOW_EMULATED_CUBLASLT_REFUSES, a list of their numbers such as "1,2", makes some
// of them fail when they are run although they were offered.
#include <cublasLt.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>

#include "cublaslt_product.h"
#include "stream.h"

struct cublasLtContext {};

using namespace emulated_gpu::cublaslt;

namespace {

// What the opaque descriptors hold here. `tag` tells one kind from another.

struct Description {
  static constexpr uint64_t kTag = 0x4445534352495054;
  uint64_t tag = kTag;
  int32_t compute_type = 0, scale_type = 0;
  int32_t transpose_a = CUBLAS_OP_N, transpose_b = CUBLAS_OP_N;
};

struct Preference {
  static constexpr uint64_t kTag = 0x5052454645520000;
  uint64_t tag = kTag;
  uint64_t max_workspace = 0;
  uint32_t schemes = CUBLASLT_REDUCTION_SCHEME_MASK;
  uint32_t alignment_a = 256, alignment_b = 256, alignment_c = 256, alignment_d = 256;
};

template <class Content, class Opaque>
cublasStatus_t create(Opaque** out, const Content& content) {
  static_assert(sizeof(Content) <= sizeof(Opaque));
  if (out == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  *out = reinterpret_cast<Opaque*>(new Content(content));
  return CUBLAS_STATUS_SUCCESS;
}

template <class Content, class Opaque>
Content* content_of(Opaque* opaque) {
  auto* content = reinterpret_cast<Content*>(opaque);
  return content != nullptr && content->tag == Content::kTag ? content : nullptr;
}

template <class Content, class Opaque>
cublasStatus_t destroy(Opaque* opaque) {
  Content* content = content_of<Content>(opaque);
  if (content == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  delete content;
  return CUBLAS_STATUS_SUCCESS;
}

template <class Value>
cublasStatus_t set(Value& attribute, const void* value, size_t bytes) {
  if (value == nullptr || bytes != sizeof attribute) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&attribute, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t read_problem(cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a,
                            cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c,
                            cublasLtMatrixLayout_t d, Problem& problem) {
  const auto* wanted = content_of<Description>(description);
  for (const cublasLtMatrixLayout_t layout : {a, b, c, d}) {
    const auto* content = content_of<Layout>(layout);
    if (content == nullptr || content->rows == 0 || content->columns == 0 ||
        content->leading < static_cast<int64_t>(content->rows))
      return CUBLAS_STATUS_INVALID_VALUE;
    if (content->rows > INT32_MAX || content->columns > INT32_MAX)
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
  if (wanted == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  problem.a = *content_of<Layout>(a);
  problem.b = *content_of<Layout>(b);
  problem.d = *content_of<Layout>(d);
  problem.transpose_a = wanted->transpose_a == CUBLAS_OP_T;
  problem.transpose_b = wanted->transpose_b == CUBLAS_OP_T;
  problem.m = static_cast<int64_t>(problem.transpose_a ? problem.a.columns : problem.a.rows);
  problem.k = static_cast<int64_t>(problem.transpose_a ? problem.a.rows : problem.a.columns);
  problem.n = static_cast<int64_t>(problem.transpose_b ? problem.b.rows : problem.b.columns);
  const auto k = static_cast<int64_t>(problem.transpose_b ? problem.b.columns : problem.b.rows);
  const Layout& in = *content_of<Layout>(c);
  if (k != problem.k || static_cast<int64_t>(problem.d.rows) != problem.m ||
      static_cast<int64_t>(problem.d.columns) != problem.n || in.rows != problem.d.rows ||
      in.columns != problem.d.columns)
    return CUBLAS_STATUS_INVALID_VALUE;
  const bool types = wanted->compute_type == CUBLAS_COMPUTE_32F &&
                     wanted->scale_type == CUDA_R_32F && problem.a.type == problem.b.type &&
                     in.type == problem.d.type &&
                     (problem.a.type == CUDA_R_16BF || problem.a.type == CUDA_R_32F) &&
                     (problem.d.type == CUDA_R_32F || problem.d.type == problem.a.type);
  return types ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}

constexpr uint64_t kAlgorithmTag = 0x414C474F00000000;

int64_t workspace_of(Algorithm algorithm, const Problem& problem) {
  if (algorithm == Algorithm::split)
    return problem.m * problem.n * 2 * static_cast<int64_t>(sizeof(float));
  return algorithm == Algorithm::in_place ? 256 : 0;
}

uint32_t scheme_of(Algorithm algorithm) {
  if (algorithm == Algorithm::split) return CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  return algorithm == Algorithm::in_place ? CUBLASLT_REDUCTION_SCHEME_INPLACE : 0;
}

int64_t alignment_of(Algorithm algorithm, const Layout& layout) {
  return algorithm == Algorithm::vector ? 16 : size_of(layout.type);
}

bool rows_fit(Algorithm algorithm, const Layout& layout) {
  return layout.leading * size_of(layout.type) % alignment_of(algorithm, layout) == 0;
}

/// Whether the algorithm can do the problem, for whatever addresses.
bool can_do(Algorithm algorithm, const Problem& problem) {
  const bool splits = algorithm == Algorithm::split || algorithm == Algorithm::in_place;
  return rows_fit(algorithm, problem.a) && rows_fit(algorithm, problem.b) &&
         rows_fit(algorithm, problem.d) && (!splits || problem.k >= 2);
}

cublasLtMatmulAlgo_t encode(Algorithm algorithm) {
  cublasLtMatmulAlgo_t out{};
  out.data[0] = kAlgorithmTag | static_cast<uint32_t>(algorithm);
  return out;
}

cublasStatus_t decode(const cublasLtMatmulAlgo_t* in, Algorithm& algorithm) {
  if (in == nullptr || (in->data[0] & ~uint64_t{7}) != kAlgorithmTag)
    return CUBLAS_STATUS_INVALID_VALUE;
  const uint64_t number = in->data[0] & 7;
  if (number < 1 || number > 4) return CUBLAS_STATUS_INVALID_VALUE;
  algorithm = static_cast<Algorithm>(number);
  return CUBLAS_STATUS_SUCCESS;
}

bool refuses(Algorithm algorithm) {
  const char* list = std::getenv("SWALLOW_EMULATED_CUBLASLT_REFUSES");
  return list != nullptr &&
         std::string(list).find(std::to_string(static_cast<int>(algorithm))) != std::string::npos;
}

bool is_aligned(const void* address, int64_t bytes) {
  return address != nullptr &&
         reinterpret_cast<uintptr_t>(address) % static_cast<uint64_t>(bytes) == 0;
}

}  // namespace

size_t cublasLtGetVersion() {
  return CUBLAS_VERSION;
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  *handle = new cublasLtContext;
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t cublasLtDestroy(cublasLtHandle_t handle) {
  delete handle;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* description,
                                        cublasComputeType_t compute_type,
                                        cudaDataType_t scale_type) {
  Description content;
  content.compute_type = compute_type;
  content.scale_type = scale_type;
  return create(description, content);
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t description) {
  return destroy<Description>(description);
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t description,
                                              cublasLtMatmulDescAttributes_t attribute,
                                              const void* value, size_t bytes) {
  auto* content = content_of<Description>(description);
  if (content == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_DESC_TRANSA:
      return set(content->transpose_a, value, bytes);
    case CUBLASLT_MATMUL_DESC_TRANSB:
      return set(content->transpose_b, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t leading) {
  Layout content;
  content.rows = rows;
  content.columns = columns;
  content.leading = leading;
  content.type = type;
  return create(layout, content);
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroy<Layout>(layout);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  return create(preference, Preference{});
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroy<Preference>(preference);
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t attribute,
                                                    const void* value, size_t bytes) {
  auto* content = content_of<Preference>(preference);
  if (content == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  switch (attribute) {
    case CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES:
      return set(content->max_workspace, value, bytes);
    case CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK:
      return set(content->schemes, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES:
      return set(content->alignment_a, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES:
      return set(content->alignment_b, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES:
      return set(content->alignment_c, value, bytes);
    case CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES:
      return set(content->alignment_d, value, bytes);
    default:
      return CUBLAS_STATUS_NOT_SUPPORTED;
  }
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(
    cublasLtHandle_t handle, cublasLtMatmulDesc_t description, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
    cublasLtMatmulPreference_t preference, int num_requested,
    cublasLtMatmulHeuristicResult_t results[], int* num_returned) {
  const auto* wish = content_of<Preference>(preference);
  if (handle == nullptr || wish == nullptr || num_requested <= 0 || num_returned == nullptr)
    return CUBLAS_STATUS_INVALID_VALUE;
  Problem problem;
  const cublasStatus_t status = read_problem(description, a, b, c, d, problem);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  *num_returned = 0;
  for (const Algorithm algorithm :
       {Algorithm::vector, Algorithm::split, Algorithm::in_place, Algorithm::plain}) {
    if (*num_returned == num_requested) break;
    const bool fits =
        wish->alignment_a >= alignment_of(algorithm, problem.a) &&
        wish->alignment_b >= alignment_of(algorithm, problem.b) &&
        std::min(wish->alignment_c, wish->alignment_d) >= alignment_of(algorithm, problem.d) &&
        static_cast<uint64_t>(workspace_of(algorithm, problem)) <= wish->max_workspace &&
        (scheme_of(algorithm) & ~wish->schemes) == 0 && can_do(algorithm, problem);
    cublasLtMatmulHeuristicResult_t& result = results[*num_returned];
    result = {};
    if (fits) {
      result.algo = encode(algorithm);
      result.workspaceSize = static_cast<size_t>(workspace_of(algorithm, problem));
    } else if (algorithm == Algorithm::split) {
      result.state = CUBLAS_STATUS_NOT_SUPPORTED;  // a result may be no result
    } else {
      continue;
    }
    ++*num_returned;
  }
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoCheck(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                                       cublasLtMatrixLayout_t a, cublasLtMatrixLayout_t b,
                                       cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d,
                                       const cublasLtMatmulAlgo_t* encoded,
                                       cublasLtMatmulHeuristicResult_t* result) {
  if (handle == nullptr || result == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  Problem problem;
  Algorithm algorithm{};
  cublasStatus_t status = read_problem(description, a, b, c, d, problem);
  if (status == CUBLAS_STATUS_SUCCESS) status = decode(encoded, algorithm);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (!can_do(algorithm, problem)) return CUBLAS_STATUS_NOT_SUPPORTED;
  result->workspaceSize = static_cast<size_t>(workspace_of(algorithm, problem));
  result->state = CUBLAS_STATUS_SUCCESS;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t description,
                              const void* alpha, const void* a, cublasLtMatrixLayout_t a_layout,
                              const void* b, cublasLtMatrixLayout_t b_layout, const void* beta,
                              const void* c, cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* encoded,
                              void* workspace, size_t workspace_bytes, cudaStream_t stream) {
  if (handle == nullptr || alpha == nullptr || beta == nullptr) return CUBLAS_STATUS_INVALID_VALUE;
  Work work;
  Problem& problem = work.problem;
  cublasStatus_t status =
      read_problem(description, a_layout, b_layout, c_layout, d_layout, problem);
  if (status == CUBLAS_STATUS_SUCCESS) status = decode(encoded, work.algorithm);
  if (status != CUBLAS_STATUS_SUCCESS) return status;
  if (!can_do(work.algorithm, problem) || refuses(work.algorithm))
    return CUBLAS_STATUS_NOT_SUPPORTED;
  const auto needed = static_cast<size_t>(workspace_of(work.algorithm, problem));
  const bool aligned = is_aligned(a, alignment_of(work.algorithm, problem.a)) &&
                       is_aligned(b, alignment_of(work.algorithm, problem.b)) &&
                       is_aligned(c, alignment_of(work.algorithm, problem.d)) &&
                       is_aligned(d, alignment_of(work.algorithm, problem.d)) &&
                       (workspace_bytes == 0 || is_aligned(workspace, 256));
  if (!aligned || needed > workspace_bytes) return CUBLAS_STATUS_INVALID_VALUE;
  std::memcpy(&work.alpha, alpha, sizeof work.alpha);
  std::memcpy(&work.beta, beta, sizeof work.beta);
  work.a = a;
  work.b = b;
  work.c = c;
  work.d = d;
  work.workspace = workspace;
  emulated_gpu::enqueue(stream, [work] { compute(work); });
  return CUBLAS_STATUS_SUCCESS;
}
