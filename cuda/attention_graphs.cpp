#include "attention_graphs.h"

namespace swallow::cuda {

namespace {

constexpr cudnnDataType_t kBf16 = CUDNN_DATA_BFLOAT16;
constexpr cudnnDataType_t kF32 = CUDNN_DATA_FLOAT;

/// Views as [b, heads, s, d], whatever the order in memory.
struct Layout {
  explicit Layout(const AttentionShape& x)
      : b(x.batch), n(x.heads), k(x.kv_heads), s(x.sequence), d(x.head_dim) {}

  int64_t b, n, k, s, d;

  [[nodiscard]] Dims heads(int64_t count) const { return {b, count, s, d}; }
  [[nodiscard]] Dims heads_transposed(int64_t count) const { return {b, count, d, s}; }
  [[nodiscard]] Dims scores() const { return {b, n, s, s}; }
  [[nodiscard]] Dims rows() const { return {b, n, s, 1}; }
  /// Heads within [s, b, count * d].
  [[nodiscard]] Dims strides(int64_t count) const { return {count * d, d, b * count * d, 1}; }
  [[nodiscard]] Dims strides_transposed(int64_t count) const {
    return {count * d, d, 1, b * count * d};
  }
  /// The same within qkv and dqkv.
  [[nodiscard]] int64_t packed() const { return n + 2 * k; }
};

/// scores, or -infinity where a key comes after the query. The four operations are cuDNN's pattern
/// of a causal mask.
GraphTensor mask_causally(CudnnGraph& g, const GraphTensor& scores) {
  const auto index = [&](int64_t axis) {
    const GraphTensor y = g.between(CUDNN_DATA_INT32, scores.dims);
    g.pointwise({.mode = CUDNN_POINTWISE_GEN_INDEX, .x = scores, .axis = axis}, y);
    return y;
  };
  const GraphTensor query = index(2);
  const GraphTensor key = index(3);
  const GraphTensor kept = g.between(CUDNN_DATA_BOOLEAN, scores.dims);
  g.pointwise({.mode = CUDNN_POINTWISE_CMP_GE, .x = query, .b = key, .math = CUDNN_DATA_BOOLEAN},
              kept);
  return g.pointwise({.mode = CUDNN_POINTWISE_BINARY_SELECT,
                      .x = scores,
                      .b = g.scalar(kMinusInfinity),
                      .condition = kept});
}

GraphTensor multiply(CudnnGraph& g, const GraphTensor& x, const GraphTensor& b) {
  return g.pointwise({.mode = CUDNN_POINTWISE_MUL, .x = x, .b = b});
}

GraphTensor subtract(CudnnGraph& g, const GraphTensor& x, const GraphTensor& b) {
  return g.pointwise({.mode = CUDNN_POINTWISE_SUB, .x = x, .b = b});
}

/// A matrix of scores, transposed and rounded to bf16 for the tensor cores.
GraphTensor transpose(CudnnGraph& g, const GraphTensor& x) {
  const int64_t s = x.dims[2];
  const Dims strides = {x.dims[1] * s * s, s * s, 1, s};
  const GraphTensor y = g.between(kBf16, x.dims, strides);
  g.reshape(x, y);
  return y;
}

/// The gradient of key or value heads: left right, summed over the query heads of a group.
void multiply_by_group(CudnnGraph& g, const Layout& at, const GraphTensor& left,
                       const GraphTensor& right, const GraphTensor& y) {
  if (at.n == at.k) return g.matmul(left, right, y);
  const GraphTensor of_each_head = g.between(kBf16, at.heads(at.n));
  g.matmul(left, right, of_each_head);
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, of_each_head, y);
}

}  // namespace

CudnnGraph attention_forward_graph(const Cudnn& dnn, const AttentionShape& shape) {
  const Layout at(shape);
  CudnnGraph g(dnn);
  const int64_t p = at.packed();
  const GraphTensor q = g.real(kQuery, kBf16, at.heads(at.n), at.strides(p));
  const GraphTensor kt = g.real(kKey, kBf16, at.heads_transposed(at.k), at.strides_transposed(p));
  const GraphTensor v = g.real(kValue, kBf16, at.heads(at.k), at.strides(p));
  const GraphTensor out = g.real(kOut, kBf16, at.heads(at.n), at.strides(at.n));
  const GraphTensor stats = g.real(kStats, kF32, at.rows(), row_major(at.rows()));

  const GraphTensor products = g.between(kF32, at.scores());
  g.matmul(q, kt, products);
  const GraphTensor scores = mask_causally(g, multiply(g, products, g.scalar(kScale)));
  // stats = log(sum(exp(scores))), by the row's maximum.
  const GraphTensor maximum = g.between(kF32, at.rows());
  g.reduce(CUDNN_REDUCE_TENSOR_MAX, scores, maximum);
  const GraphTensor exps =
      g.pointwise({.mode = CUDNN_POINTWISE_EXP, .x = subtract(g, scores, maximum)});
  const GraphTensor sum = g.between(kF32, at.rows());
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, exps, sum);
  const GraphTensor log_sum = g.pointwise({.mode = CUDNN_POINTWISE_LOG, .x = sum});
  g.pointwise({.mode = CUDNN_POINTWISE_ADD, .x = maximum, .b = log_sum}, stats);
  // out = softmax(scores) v.
  const GraphTensor probabilities = g.between(kBf16, at.scores());
  g.pointwise({.mode = CUDNN_POINTWISE_DIV, .x = exps, .b = sum}, probabilities);
  g.matmul(probabilities, v, out);
  return g;
}

CudnnGraph attention_backward_graph(const Cudnn& dnn, const AttentionShape& shape,
                                    Determinism determinism) {
  const Layout at(shape);
  CudnnGraph g(dnn);
  const int64_t packed = at.packed();
  const GraphTensor q = g.real(kQuery, kBf16, at.heads(at.n), at.strides(packed));
  const Dims transposed = at.heads_transposed(at.k);
  const GraphTensor kt = g.real(kKey, kBf16, transposed, at.strides_transposed(packed));
  const GraphTensor vt = g.real(kValue, kBf16, transposed, at.strides_transposed(packed));
  const GraphTensor out = g.real(kOut, kBf16, at.heads(at.n), at.strides(at.n));
  const GraphTensor dout = g.real(kDout, kBf16, at.heads(at.n), at.strides(at.n));
  const GraphTensor stats = g.real(kStats, kF32, at.rows(), row_major(at.rows()));
  const GraphTensor dq = g.real(kDquery, kBf16, at.heads(at.n), at.strides(packed));
  const GraphTensor dk = g.real(kDkey, kBf16, at.heads(at.k), at.strides(packed));
  const GraphTensor dv = g.real(kDvalue, kBf16, at.heads(at.k), at.strides(packed));
  const GraphTensor scale = g.scalar(kScale);

  // row_sums = dout . out
  const GraphTensor row_sums = g.real(kRowSums, kF32, at.rows(), row_major(at.rows()));
  const GraphTensor sums = g.between(kF32, at.rows());
  g.reduce(CUDNN_REDUCE_TENSOR_ADD, multiply(g, dout, out), sums);
  g.pointwise({.mode = CUDNN_POINTWISE_MUL, .x = sums, .b = g.scalar(kOne)}, row_sums);

  // p = exp(scores - stats), dv = p^T dout
  const GraphTensor products = g.between(kF32, at.scores());
  g.matmul(q, kt, products);
  const GraphTensor logs = mask_causally(g, subtract(g, multiply(g, products, scale), stats));
  const GraphTensor p = g.pointwise({.mode = CUDNN_POINTWISE_EXP, .x = logs});
  multiply_by_group(g, at, transpose(g, p), dout, dv);

  // ds = scale p (dout v^T - row_sums), dk = ds^T q
  const GraphTensor dp = g.between(kF32, at.scores());
  g.matmul(dout, vt, dp);
  const GraphTensor ds = multiply(g, multiply(g, subtract(g, dp, row_sums), p), scale);
  multiply_by_group(g, at, transpose(g, ds), q, dk);

  // dq = ds k
  const GraphTensor k = g.between(kF32, at.heads(at.k), at.strides(packed));
  g.reshape(kt, k);
  if (determinism == Determinism::deterministic) {
    g.matmul(ds, k, dq);
  } else {
    const GraphTensor accumulator =
        g.real(kDqueryAccumulator, kF32, at.heads(at.n), row_major(at.heads(at.n)));
    g.matmul(ds, k, accumulator);
    g.pointwise({.mode = CUDNN_POINTWISE_IDENTITY, .x = accumulator}, dq);
  }
  return g;
}

}  // namespace swallow::cuda
