#include "telemetry/flops.h"

#include "base/check.h"

namespace swallow {
namespace {

/// Weights of one layer's matrices: QKV, attention output, gate, up and down.
int64_t layer_matrix_elements(const ModelSize& m) {
  const int64_t qkv = m.hidden_size * (m.num_attention_heads + 2 * m.kv_heads) * m.head_dim;
  const int64_t output = m.num_attention_heads * m.head_dim * m.hidden_size;
  return qkv + output + 3 * m.hidden_size * m.ffn_hidden_size;
}

// Each weight does one multiply-add per token in the forward and two in the backward: 6 operations.
// Attention's two products of s keys by d do the same per head: 12 n d s, half of it when causal.
double exact_flops(const ModelSize& m, double attention_factor) {
  const auto matrices =
      static_cast<double>(m.num_layers * layer_matrix_elements(m) + m.hidden_size * m.vocab_size);
  const auto attention =
      static_cast<double>(m.num_layers * m.num_attention_heads * m.head_dim * m.seq_length);
  return 6.0 * matrices + attention_factor * attention;
}

// arXiv 2104.04473 equation 3 for one token: per_layer * k * L * h^2 * (1 + s/6h + V/16Lh), k = 3
// without recompute and 4 with. It takes heads without grouping and attention without a mask.
double paper_2021_flops(const ModelSize& m, double per_layer, double passes) {
  const auto h = static_cast<double>(m.hidden_size);
  const auto layers = static_cast<double>(m.num_layers);
  const double attention = static_cast<double>(m.seq_length) / (6.0 * h);
  const double logits = static_cast<double>(m.vocab_size) / (16.0 * layers * h);
  return per_layer * passes * layers * h * h * (1.0 + attention + logits);
}

}  // namespace

std::string_view name_of(FlopFormula formula) {
  switch (formula) {
    case FlopFormula::causal:
      return "causal";
    case FlopFormula::full_attention:
      return "full_attention";
    case FlopFormula::fork_a:
      return "fork_a";
    case FlopFormula::fork_c:
      return "fork_c";
  }
  return "?";
}

double flops_per_token(FlopFormula formula, const ModelSize& size) {
  switch (formula) {
    case FlopFormula::causal:
      return exact_flops(size, 6.0);
    case FlopFormula::full_attention:
      return exact_flops(size, 12.0);
    case FlopFormula::fork_a:
      return paper_2021_flops(size, 24.0, 4.0);
    case FlopFormula::fork_c: {
      const double ratio =
          static_cast<double>(size.ffn_hidden_size) / static_cast<double>(size.hidden_size);
      return paper_2021_flops(size, 8.0 + 6.0 * ratio, 3.5);
    }
  }
  throw ContractError("unknown FLOP formula {}", static_cast<int>(formula));
}

int64_t parameter_count(const ModelSize& size) {
  const int64_t per_layer = layer_matrix_elements(size) + 2 * size.hidden_size;
  return size.num_layers * per_layer + 2 * size.vocab_size * size.hidden_size + size.hidden_size;
}

}  // namespace swallow
