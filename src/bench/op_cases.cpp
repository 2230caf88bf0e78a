#include "bench/op_cases.h"

#include <cmath>

#include "base/exact_sum.h"
#include "kernels/adamw.h"
#include "kernels/attention.h"
#include "kernels/cross_entropy.h"
#include "kernels/elementwise.h"
#include "kernels/embedding.h"
#include "kernels/gemm.h"
#include "kernels/reduce.h"
#include "kernels/rmsnorm.h"
#include "kernels/rope.h"
#include "kernels/swiglu.h"

namespace swallow {

namespace {

std::string rows_by(int64_t rows, int64_t columns) {
  return fmt::format("{} x {}", rows, columns);
}

/// Collects the cases of one configuration; counts bytes and FLOP in doubles.
class CaseList {
 public:
  CaseList(const ModelShapes& shapes, int num_threads)
      : m_(shapes),
        num_threads_(num_threads),
        rows_(shapes.sequence * shapes.batch),
        rows_local_(shapes.sequence_local * shapes.batch),
        element_(static_cast<double>(size_of(shapes.dtype))),
        main_element_(static_cast<double>(size_of(shapes.main_dtype))),
        layers_(static_cast<double>(shapes.layers.size())) {}

  void embedding();
  void norms();
  void attention();
  void swiglu();
  void layer_products();
  void head();
  void optimizer(int64_t shard_elements, int64_t flat_elements);

  [[nodiscard]] std::vector<OpCase> take() { return std::move(cases_); }

 private:
  template <class... Factors>
  static double product(Factors... factors) {
    return (static_cast<double>(factors) * ...);
  }
  void add(OpCase op) {
    if (op.calls > 0) cases_.push_back(std::move(op));
  }
  /// A product as parallel/linear.cpp makes it; `n` outputs from `k` inputs.
  void linear(const std::string& name, int64_t n, int64_t k, double calls, double forward_calls);
  void gemm(const std::string& name, int64_t m, int64_t n, int64_t k, Transpose a, Transpose b,
            Beta beta, double calls);
  /// Passes through the layers' forward: one more under full recompute, of all but the last
  /// product.
  [[nodiscard]] double forward_calls() const {
    return layers_ * (m_.recompute == Recompute::full ? 2 : 1);
  }

  const ModelShapes& m_;
  int num_threads_;
  int64_t rows_, rows_local_;  // s * b, s/t * b
  double element_, main_element_;
  double layers_;
  std::vector<OpCase> cases_;
};

void CaseList::embedding() {
  const ModelShapes m = m_;
  const int64_t rows = rows_;
  const double moved = product(rows, m.hidden);
  add({.name = "embedding forward",
       .shape = rows_by(rows, m.hidden),
       .calls = m.has_embedding ? 1.0 : 0.0,
       .bytes = moved * element_ * (1 + 1.0 / m.tp),
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const EmbeddingForward op{.ids = t.ids({rows}, m.vocab),
                                   .table = t.normal(m.dtype, {m.vocab_local, m.hidden}),
                                   .y = t.scratch(m.dtype, {rows, m.hidden})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  // The gradient's rows are read and written once for each token of this rank.
  add({.name = "embedding backward",
       .shape = rows_by(rows, m.hidden),
       .calls = m.has_embedding ? 1.0 : 0.0,
       .bytes = moved / m.tp * (element_ + 2 * main_element_),
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const EmbeddingBackward op{.ids = t.ids({rows}, m.vocab),
                                    .dy = t.normal(m.dtype, {rows, m.hidden}),
                                    .dtable = t.normal(m.main_dtype, {m.vocab_local, m.hidden})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

void CaseList::norms() {
  const ModelShapes m = m_;
  const int64_t rows = rows_local_;
  const double whole = product(rows, m.hidden) * element_;
  const double final_norm = m.has_head ? 1 : 0;
  add({.name = "residual + RMSNorm forward",
       .shape = rows_by(rows, m.hidden),
       .calls = 2 * forward_calls() + final_norm,
       .bytes = 4 * whole,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const Shape shape{rows, m.hidden};
         const RmsNormForward op{.x = t.normal(m.dtype, shape),
                                 .delta = t.normal(m.dtype, shape),
                                 .residual = t.scratch(m.dtype, shape),
                                 .weight = t.normal(m.dtype, {m.hidden}, 1, 0.1),
                                 .y = t.scratch(m.dtype, shape),
                                 .rstd = t.scratch(m.main_dtype, {rows})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "RMSNorm recompute",
       .shape = rows_by(rows, m.hidden),
       .calls = m.recompute == Recompute::selective ? 2 * layers_ : 0,
       .bytes = 2 * whole,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const RmsNormRecompute op{.x = t.normal(m.dtype, {rows, m.hidden}),
                                   .weight = t.normal(m.dtype, {m.hidden}, 1, 0.1),
                                   .rstd = t.normal(m.main_dtype, {rows}, 1, 0.1),
                                   .y = t.scratch(m.dtype, {rows, m.hidden})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "RMSNorm backward",
       .shape = rows_by(rows, m.hidden),
       .calls = 2 * layers_ + final_norm,
       .bytes = 4 * whole,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const Shape shape{rows, m.hidden};
         RmsNormBackward op{.dy = t.normal(m.dtype, shape),
                            .x = t.normal(m.dtype, shape),
                            .weight = t.normal(m.dtype, {m.hidden}, 1, 0.1),
                            .rstd = t.normal(m.main_dtype, {rows}, 1, 0.1),
                            .dx = t.normal(m.dtype, shape),
                            .dweight = t.normal(m.main_dtype, {m.hidden})};
         op.workspace =
             t.scratch(DType::u8, {rmsnorm_workspace_bytes(op.x.device, rows, m.hidden)});
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "residual addition",
       .shape = rows_by(rows, m.hidden),
       .calls = 1,
       .bytes = 3 * whole,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const Shape shape{rows, m.hidden};
         const Add op{.a = t.normal(m.dtype, shape),
                      .b = t.normal(m.dtype, shape),
                      .y = t.scratch(m.dtype, shape)};
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

void CaseList::attention() {
  const ModelShapes m = m_;
  const AttentionShape shape{m.sequence, m.batch, m.heads_local(), m.kv_heads_local(), m.head_dim};
  const std::string text = fmt::format("s {} b {} heads {}/{} x {}", shape.sequence, shape.batch,
                                       shape.heads, shape.kv_heads, shape.head_dim);
  const Shape qkv{m.sequence, m.batch, m.qkv_local()};
  const Shape out{m.sequence, m.batch, m.attention_local()};
  const Shape rows{m.batch, shape.heads, m.sequence};
  const double turned = product(rows_, shape.heads + shape.kv_heads, m.head_dim) * element_;
  const double qkv_bytes = product(qkv.numel()) * element_;
  const double out_bytes = product(out.numel()) * element_;
  const double flops = 2 * product(m.sequence, m.sequence, m.head_dim, shape.heads, m.batch);
  const double scale = 1 / std::sqrt(static_cast<double>(m.head_dim));
  const int threads = num_threads_;
  add({.name = "RoPE",
       .shape = text,
       .calls = forward_calls() + layers_,
       .bytes = 2 * turned,
       .prepare = [=](OpTensors& t) -> Launch {
         const Rope op{.qkv = t.normal(m.dtype, qkv),
                       .table = t.normal(DType::f32, {m.sequence, m.head_dim}, 0, 0.7),
                       .heads = shape.heads + shape.kv_heads};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  const auto workspace = [=](OpTensors& t, Device device) {
    return t.scratch(DType::u8,
                     {attention_workspace_bytes(device, shape, m.dtype, threads, m.determinism)});
  };
  add({.name = "attention forward",
       .shape = text,
       .calls = forward_calls(),
       .flops = flops,
       .bytes = qkv_bytes + out_bytes,
       .prepare = [=](OpTensors& t) -> Launch {
         AttentionForward op{.shape = shape,
                             .qkv = t.normal(m.dtype, qkv),
                             .out = t.scratch(m.dtype, out),
                             .stats = t.scratch(m.main_dtype, rows),
                             .scale = scale};
         op.workspace = workspace(t, op.qkv.device);
         return [op](Stream& stream) { launch(stream, op); };
       }});
  // Statistics of about what random queries and keys give, so that probabilities are of real size.
  const double typical = std::log(static_cast<double>(m.sequence) / 2) + 0.5;
  add({.name = "attention backward",
       .shape = text,
       .calls = layers_,
       .flops = 2.5 * flops,
       .bytes = 2 * (qkv_bytes + out_bytes),
       .prepare = [=](OpTensors& t) -> Launch {
         AttentionBackward op{.shape = shape,
                              .qkv = t.normal(m.dtype, qkv),
                              .out = t.normal(m.dtype, out),
                              .stats = t.normal(m.main_dtype, rows, typical, 0),
                              .dout = t.normal(m.dtype, out),
                              .dqkv = t.scratch(m.dtype, qkv),
                              .scale = scale,
                              .determinism = m.determinism};
         op.workspace = workspace(t, op.qkv.device);
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

void CaseList::swiglu() {
  const ModelShapes m = m_;
  const int64_t rows = rows_;
  const int64_t f = m.ffn_local();
  const double whole = product(rows, f) * element_;
  add({.name = "SwiGLU forward",
       .shape = rows_by(rows, f),
       .calls = m.recompute == Recompute::none ? layers_ : 2 * layers_,
       .bytes = 3 * whole,
       .prepare = [m, rows, f](OpTensors& t) -> Launch {
         const SwigluForward op{.gate_up = t.normal(m.dtype, {rows, 2 * f}),
                                .y = t.scratch(m.dtype, {rows, f})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "SwiGLU backward",
       .shape = rows_by(rows, f),
       .calls = layers_,
       .bytes = 5 * whole,
       .prepare = [m, rows, f](OpTensors& t) -> Launch {
         const SwigluBackward op{.gate_up = t.normal(m.dtype, {rows, 2 * f}),
                                 .dy = t.normal(m.dtype, {rows, f}),
                                 .dgate_up = t.scratch(m.dtype, {rows, 2 * f})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

void CaseList::gemm(const std::string& name, int64_t m, int64_t n, int64_t k, Transpose a,
                    Transpose b, Beta beta, double calls) {
  const bool adds = beta == Beta::one;
  const DType in = m_.dtype;
  const DType out = adds ? m_.main_dtype : m_.dtype;
  const Shape a_shape = a == Transpose::yes ? Shape{k, m} : Shape{m, k};
  const Shape b_shape = b == Transpose::yes ? Shape{n, k} : Shape{k, n};
  add({.name = name,
       .shape = fmt::format("{} x {} x {} {}{}, {}{}", m, n, k, a == Transpose::yes ? 'T' : 'N',
                            b == Transpose::yes ? 'T' : 'N', name_of(out), adds ? " +=" : ""),
       .calls = calls,
       .flops = 2 * product(m, n, k),
       .bytes = (product(m, k) + product(k, n)) * element_ +
                product(m, n) * (adds ? 2 * main_element_ : element_),
       .is_gemm = true,
       .prepare = [=](OpTensors& t) -> Launch {
         const Gemm op{.a = t.normal(in, a_shape),
                       .b = t.normal(in, b_shape, 0, 0.02),
                       .c = t.normal(out, {m, n}),
                       .workspace = t.gemm_workspace(),
                       .transpose_a = a,
                       .transpose_b = b,
                       .beta = beta};
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

void CaseList::linear(const std::string& name, int64_t n, int64_t k, double calls,
                      double forward_calls) {
  using enum Transpose;
  gemm(name + " forward", rows_, n, k, no, yes, Beta::zero, forward_calls);
  gemm(name + " gradient of input", rows_, k, n, no, no, Beta::zero, calls);
  gemm(name + " gradient of weight", n, k, rows_, yes, no, Beta::one, calls);
}

void CaseList::layer_products() {
  linear("QKV", m_.qkv_local(), m_.hidden, layers_, forward_calls());
  linear("output projection", m_.hidden, m_.attention_local(), layers_, forward_calls());
  linear("gate and up", 2 * m_.ffn_local(), m_.hidden, layers_, forward_calls());
  linear("down", m_.hidden, m_.ffn_local(), layers_, layers_);
}

void CaseList::head() {
  const ModelShapes m = m_;
  const int64_t rows = rows_;
  const double once = m.has_head ? 1 : 0;
  linear("head", m.vocab_local, m.hidden, once, once);
  const double logits = product(rows, m.vocab_local) * element_;
  const std::string text = rows_by(rows, m.vocab_local);
  add({.name = "cross-entropy statistics",
       .shape = text,
       .calls = once,
       .bytes = logits,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const CrossEntropyLocal op{.logits = t.normal(m.dtype, {rows, m.vocab_local}),
                                    .targets = t.ids({rows}, m.vocab),
                                    .maxima = t.scratch(m.main_dtype, {rows}),
                                    .sums = t.scratch(m.main_dtype, {2, rows}),
                                    .vocab_start = m.vocab_start(),
                                    .valid = m.vocab_valid()};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "cross-entropy loss",
       .shape = fmt::format("{}", rows),
       .calls = once,
       .bytes = 3 * product(rows) * main_element_,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const CrossEntropyLoss op{.global_maxima = t.normal(m.main_dtype, {rows}, 4, 0.1),
                                   .sums = t.normal(m.main_dtype, {2, rows}, 100, 1),
                                   .loss = t.scratch(DType::f64, {1})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "cross-entropy backward",
       .shape = text,
       .calls = once,
       .bytes = 2 * logits,
       .prepare = [m, rows](OpTensors& t) -> Launch {
         const CrossEntropyBackward op{.logits = t.normal(m.dtype, {rows, m.vocab_local}),
                                       .targets = t.ids({rows}, m.vocab),
                                       .global_maxima = t.normal(m.main_dtype, {rows}, 4, 0.1),
                                       .sums = t.normal(m.main_dtype, {2, rows}, 100, 1),
                                       .vocab_start = m.vocab_start(),
                                       .valid = m.vocab_valid()};
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

void CaseList::optimizer(int64_t shard_elements, int64_t flat_elements) {
  const DType dtype = m_.dtype;
  const DType main = m_.main_dtype;
  const int64_t n = flat_elements;
  const double calls = static_cast<double>(shard_elements) / static_cast<double>(n);
  // Matrices' gradients are overwritten by the first micro-batch, and norms' are next to nothing.
  const double zeroed = m_.has_embedding ? product(m_.vocab_local, m_.hidden) : 0;
  const std::string text = fmt::format("{}", n);
  add({.name = "gradients to zero",
       .shape = text,
       .frequency = OpFrequency::per_step,
       .calls = zeroed / static_cast<double>(n),
       .bytes = product(n) * main_element_,
       .prepare = [main, n](OpTensors& t) -> Launch {
         const Tensor gradients = t.normal(main, {n});
         return [gradients](Stream& stream) { zero(stream, gradients); };
       }});
  add({.name = "sum of squares",
       .shape = text,
       .frequency = OpFrequency::per_step,
       .calls = calls,
       .bytes = product(n) * main_element_,
       .prepare = [main, n](OpTensors& t) -> Launch {
         const SumSquares op{.x = t.normal(main, {n}, 0, 1e-3),
                             .sum = t.scratch(DType::i64, {ExactSum::kLimbs})};
         return [op](Stream& stream) { launch(stream, op); };
       }});
  add({.name = "AdamW",
       .shape = text,
       .frequency = OpFrequency::per_step,
       .calls = calls,
       .bytes = product(n) * (7 * main_element_ + element_),
       .prepare = [dtype, main, n](OpTensors& t) -> Launch {
         const AdamW op{.grad = t.normal(main, {n}, 0, 1e-3),
                        .master = t.normal(main, {n}, 0, 0.02),
                        .exp_avg = t.normal(main, {n}, 0, 1e-3),
                        .exp_avg_sq = t.normal(main, {n}, 1e-6, 1e-7),
                        .param = t.scratch(dtype, {n}),
                        .lr = 1e-4,
                        .weight_decay = 0.1,
                        .step = 100};
         return [op](Stream& stream) { launch(stream, op); };
       }});
}

}  // namespace

std::vector<OpCase> op_cases(const ModelShapes& shapes, int64_t shard_elements,
                             int64_t flat_elements, int num_threads) {
  CaseList list(shapes, num_threads);
  list.embedding();
  list.norms();
  list.layer_products();
  list.attention();
  list.swiglu();
  list.head();
  list.optimizer(shard_elements, flat_elements);
  return list.take();
}

}  // namespace swallow
