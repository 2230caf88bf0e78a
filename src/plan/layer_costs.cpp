#include "plan/layer_costs.h"

#include <algorithm>
#include <array>

#include "plan/collective_costs.h"
#include "plan/gemm_cost.h"

namespace swallow {

namespace {

/// A matrix of weights as one rank holds it: `out` outputs from `in` inputs.
struct Linear {
  int64_t out = 0;
  int64_t in = 0;
};

struct LayerLinears {
  Linear qkv, out_proj, up, down;  // up: gate and up together
};

LayerLinears layer_linears(const StepCase& c) {
  const ModelSize& m = c.size;
  const int64_t attention = m.num_attention_heads * m.head_dim / c.tp;
  const int64_t kv = m.kv_heads * m.head_dim / c.tp;
  const int64_t ffn = m.ffn_hidden_size / c.tp;
  const int64_t up = c.feed_forward == FeedForward::gated ? 2 * ffn : ffn;
  return {{attention + 2 * kv, m.hidden_size},
          {m.hidden_size, attention},
          {up, m.hidden_size},
          {m.hidden_size, ffn}};
}

class Costs {
 public:
  Costs(const HardwareProfile& hardware, const SoftwareProfile& software, const StepCase& step)
      : hw_(hardware),
        sw_(software),
        c_(step),
        tokens_(step.tokens_per_microbatch()),
        link_(tensor_link(hardware, step)),
        activation_bytes_(static_cast<double>(tokens_ * step.size.hidden_size) *
                          step.element_bytes) {}

  [[nodiscard]] double forward(const Linear& w) const { return product(tokens_, w.out, w.in); }
  [[nodiscard]] double input_gradient(const Linear& w) const {
    return product(tokens_, w.in, w.out);
  }
  [[nodiscard]] double weight_gradient(const Linear& w) const {
    const double weights = static_cast<double>(w.out * w.in);
    return gemm_seconds(hw_, {{w.out, w.in, tokens_, true}, 1, c_.element_bytes}) +
           weights * sw_.bytes.weight_gradient / (hw_.memory_gbytes_per_second * 1e9);
  }
  [[nodiscard]] double backward(const Linear& w) const {
    return input_gradient(w) + weight_gradient(w);
  }

  [[nodiscard]] double attention_forward() const;
  [[nodiscard]] double attention_backward() const;
  /// Softmax and dropout between the products.
  [[nodiscard]] double scores_pass(double bytes_per_score) const;

  /// Over the tokens that norms and residuals see: split under sequence parallelism.
  [[nodiscard]] double norm_pass(MemoryPass kind, double bytes) const {
    const int64_t split = c_.sequence_parallel ? c_.tp : 1;
    return pass(kind, bytes, c_.size.hidden_size) / static_cast<double>(split);
  }
  [[nodiscard]] double rope_pass(double bytes) const {
    const int64_t width = (c_.size.num_attention_heads + c_.size.kv_heads) * c_.size.head_dim;
    return pass(MemoryPass::rope, bytes, width) / static_cast<double>(c_.tp);
  }
  [[nodiscard]] double activation_pass(MemoryPass kind, double bytes) const {
    return pass(kind, bytes, c_.size.ffn_hidden_size) / static_cast<double>(c_.tp);
  }
  [[nodiscard]] double pass(MemoryPass kind, double bytes, int64_t width) const {
    const double elements = static_cast<double>(tokens_ * width);
    return hw_.pass_seconds(kind, elements * bytes * c_.element_bytes / 2);
  }

  /// Entering and leaving a region of split weights, as parallel/sequence_region.cpp does.
  [[nodiscard]] double enter() const {
    return c_.sequence_parallel ? gather_seconds(link_, c_.tp, activation_bytes_) : 0;
  }
  [[nodiscard]] double leave() const {
    return c_.sequence_parallel ? reduce_scatter_seconds(link_, c_.tp, activation_bytes_)
                                : all_reduce_seconds(link_, c_.tp, activation_bytes_);
  }
  /// What remains of the backward pass' traffic of a column-parallel linear.
  [[nodiscard]] double column_backward_exposed(const Linear& w) const {
    if (!sw_.hides_tp_backward) return visible(enter() + leave());
    return std::max(0.0, enter() - input_gradient(w)) + std::max(0.0, leave() - weight_gradient(w));
  }
  [[nodiscard]] double visible(double seconds) const { return seconds * (1 - sw_.tp_overlap); }
  [[nodiscard]] double host(double passes) const { return passes * sw_.host_us_per_layer * 1e-6; }
  [[nodiscard]] double activation_bytes() const { return activation_bytes_; }

 private:
  [[nodiscard]] double product(int64_t m, int64_t n, int64_t k) const {
    return gemm_seconds(hw_, {{m, n, k, false}, 1, c_.element_bytes});
  }
  [[nodiscard]] int64_t local_heads() const { return c_.size.num_attention_heads / c_.tp; }
  /// Of the two products of fused causal attention.
  [[nodiscard]] double causal_flops() const {
    const auto s = static_cast<double>(c_.size.seq_length);
    const double keys = s + static_cast<double>(hw_.attention_block);
    return 2 * s * keys *
           static_cast<double>(c_.size.head_dim * local_heads() * c_.micro_batch_size);
  }
  /// `times` the products of queries with keys and of probabilities with values.
  [[nodiscard]] double score_products(double times) const {
    const ModelSize& m = c_.size;
    const int64_t batch = local_heads() * c_.micro_batch_size;
    const auto seconds = [&](int64_t n, int64_t k) {
      return gemm_seconds(hw_, {{m.seq_length, n, k, false}, batch, c_.element_bytes});
    };
    return times * (seconds(m.seq_length, m.head_dim) + seconds(m.head_dim, m.seq_length));
  }

  const HardwareProfile& hw_;
  const SoftwareProfile& sw_;
  const StepCase& c_;
  int64_t tokens_;
  Link link_;
  double activation_bytes_;  // [s, b, h]
};

double Costs::scores_pass(double bytes_per_score) const {
  const auto s = static_cast<double>(c_.size.seq_length);
  const double scores = s * s * static_cast<double>(local_heads() * c_.micro_batch_size);
  return hw_.pass_seconds(MemoryPass::scores, scores * bytes_per_score);
}

double Costs::attention_forward() const {
  if (sw_.attention == AttentionKernel::scores)
    return score_products(1) + scores_pass(sw_.bytes.scores_forward);
  return causal_flops() / (hw_.attention_forward_tflops * sw_.attention_efficiency * 1e12);
}

double Costs::attention_backward() const {
  if (sw_.attention == AttentionKernel::scores)
    return score_products(2) + scores_pass(sw_.bytes.scores_backward);
  // Scores are computed again: five products instead of two (Dao, arXiv 2307.08691).
  return 2.5 * causal_flops() / (hw_.attention_backward_tflops * sw_.attention_efficiency * 1e12);
}

/// Everything of a layer's forward; `whole` false: without its last product and what follows it.
WorkSeconds layer_forward(const Costs& costs, const SoftwareProfile& sw, const LayerLinears& w,
                          bool whole) {
  WorkSeconds f;
  f.gemm = costs.forward(w.qkv) + costs.forward(w.out_proj) + costs.forward(w.up);
  f.attention = costs.attention_forward();
  f.memory = costs.norm_pass(MemoryPass::norm_forward, sw.bytes.norm_forward) +
             costs.rope_pass(sw.bytes.rope_forward) +
             costs.activation_pass(MemoryPass::activation_forward, sw.bytes.activation_forward);
  f.host = costs.host(1);
  f.tp = costs.visible(2 * costs.enter() + costs.leave());
  if (whole) {
    f.gemm += costs.forward(w.down);
    f.tp += costs.visible(costs.leave());
  }
  return f;
}

WorkSeconds layer_recompute(const Costs& costs, const SoftwareProfile& sw, const StepCase& c,
                            const LayerLinears& w) {
  const bool ours = sw.recompute == RecomputeStyle::swallow;
  if (c.recompute == Recompute::full) return layer_forward(costs, sw, w, !ours);
  WorkSeconds again;
  if (c.recompute == Recompute::none) return again;
  if (ours) {
    // Both norms from their saved statistics: one read and one write each.
    constexpr double kNormBytes = 8;
    again.memory =
        costs.norm_pass(MemoryPass::norm_forward, kNormBytes) +
        costs.activation_pass(MemoryPass::activation_forward, sw.bytes.activation_forward);
  } else if (sw.attention == AttentionKernel::scores) {
    again.attention = costs.attention_forward();
  }
  return again;
}

WorkSeconds layer_backward(const Costs& costs, const SoftwareProfile& sw, const LayerLinears& w) {
  WorkSeconds b;
  for (const Linear& linear : std::array{w.qkv, w.out_proj, w.up, w.down})
    b.gemm += costs.backward(linear);
  b.attention = costs.attention_backward();
  b.memory = costs.norm_pass(MemoryPass::norm_backward, sw.bytes.norm_backward) +
             costs.rope_pass(sw.bytes.rope_backward) +
             costs.activation_pass(MemoryPass::activation_backward, sw.bytes.activation_backward);
  b.host = costs.host(2);
  b.tp = costs.visible(2 * costs.enter()) + costs.column_backward_exposed(w.qkv) +
         costs.column_backward_exposed(w.up);
  return b;
}

}  // namespace

WorkSeconds& WorkSeconds::operator+=(const WorkSeconds& other) noexcept {
  gemm += other.gemm;
  attention += other.attention;
  memory += other.memory;
  host += other.host;
  tp += other.tp;
  return *this;
}

WorkSeconds operator*(double factor, WorkSeconds work) noexcept {
  work.gemm *= factor;
  work.attention *= factor;
  work.memory *= factor;
  work.host *= factor;
  work.tp *= factor;
  return work;
}

MicrobatchSeconds layer_seconds(const HardwareProfile& hw, const SoftwareProfile& sw,
                                const StepCase& c) {
  const Costs costs(hw, sw, c);
  const LayerLinears w = layer_linears(c);
  MicrobatchSeconds layer{layer_forward(costs, sw, w, true), layer_backward(costs, sw, w)};
  layer.backward += layer_recompute(costs, sw, c, w);
  return layer;
}

MicrobatchSeconds embedding_seconds(const HardwareProfile& hw, const SoftwareProfile& sw,
                                    const StepCase& c) {
  const Costs costs(hw, sw, c);
  const auto t = static_cast<double>(c.tp);
  MicrobatchSeconds embedding;
  // Each rank writes all rows, reads those of its part of the vocabulary; the gradient of a row is
  // read and its sum in fp32 read and written.
  embedding.forward.memory = costs.pass(MemoryPass::embedding, 2 * (1 + 1 / t), c.size.hidden_size);
  embedding.backward.memory = costs.pass(MemoryPass::embedding, 10 / t, c.size.hidden_size);
  embedding.forward.tp = costs.visible(costs.leave());
  embedding.backward.tp = costs.visible(costs.enter());
  return embedding;
}

MicrobatchSeconds head_seconds(const HardwareProfile& hw, const SoftwareProfile& sw,
                               const StepCase& c) {
  const Costs costs(hw, sw, c);
  const Linear w{c.padded_vocab_size / c.tp, c.size.hidden_size};
  const double loss = costs.pass(MemoryPass::cross_entropy, sw.bytes.logits, w.out);
  MicrobatchSeconds head;
  head.forward.gemm = costs.forward(w);
  head.backward.gemm = costs.backward(w);
  head.forward.memory =
      loss / 3 + costs.norm_pass(MemoryPass::norm_forward, sw.bytes.norm_forward / 2);
  head.backward.memory =
      loss * 2 / 3 + costs.norm_pass(MemoryPass::norm_backward, sw.bytes.norm_backward / 2);
  head.forward.host = costs.host(1);
  head.backward.host = costs.host(2);
  head.forward.tp = costs.visible(costs.enter());
  head.backward.tp = costs.column_backward_exposed(w);
  return head;
}

double layer_gemm_flops(const StepCase& c) {
  const LayerLinears w = layer_linears(c);
  double weights = 0;
  for (const Linear& linear : std::array{w.qkv, w.out_proj, w.up, w.down})
    weights += static_cast<double>(linear.out * linear.in);
  return 6 * weights * static_cast<double>(c.tokens_per_microbatch() * c.tp);
}

}  // namespace swallow
