// One case of attention, run on any device, and the textbook in double that it is compared with.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "kernels/attention.h"
#include "support/random_tensor.h"
#include "support/run_on.h"

namespace swallow::test {

/// All tensors of one case, and how to run both passes on them.
struct Attention {
  AttentionShape shape;
  DType dtype;
  double scale;
  Device device;
  Determinism determinism = Determinism::relaxed;
  TestTensor qkv, out, stats, dout, dqkv;

  Attention(const AttentionShape& s, DType type, Device on = {}, uint64_t seed = 1)
      : shape(s),
        dtype(type),
        scale(1 / std::sqrt(static_cast<double>(s.head_dim))),
        device(on),
        qkv(random_tensor(type, {s.sequence, s.batch, (s.heads + 2 * s.kv_heads) * s.head_dim},
                          seed)),
        out(empty_tensor(type, {s.sequence, s.batch, s.heads * s.head_dim})),
        stats(empty_tensor(accumulate_dtype(type), {s.batch, s.heads, s.sequence})),
        dout(random_tensor(type, {s.sequence, s.batch, s.heads * s.head_dim}, seed + 1)),
        dqkv(random_tensor(type, qkv.tensor.shape, seed + 2)) {}  // must be overwritten whole

  void forward(int threads) const {
    Stream stream(device, threads);
    forward(stream);
  }
  void forward(Stream& stream) const {
    const TestTensor workspace = make_workspace(stream.num_threads());
    run_on(stream, AttentionForward{.shape = shape,
                                    .qkv = qkv.tensor,
                                    .out = out.tensor,
                                    .stats = stats.tensor,
                                    .workspace = workspace.tensor,
                                    .scale = scale});
  }
  void backward(int threads) const {
    Stream stream(device, threads);
    backward(stream);
  }
  void backward(Stream& stream) const {
    const TestTensor workspace = make_workspace(stream.num_threads());
    run_on(stream, AttentionBackward{.shape = shape,
                                     .qkv = qkv.tensor,
                                     .out = out.tensor,
                                     .stats = stats.tensor,
                                     .dout = dout.tensor,
                                     .dqkv = dqkv.tensor,
                                     .workspace = workspace.tensor,
                                     .scale = scale,
                                     .determinism = determinism});
  }
  /// Filled with NaN, so that a read of scratch before its first write shows.
  [[nodiscard]] TestTensor make_workspace(int threads) const {
    TestTensor workspace = empty_tensor(
        DType::u8, {attention_workspace_bytes(device, shape, dtype, threads, determinism)});
    std::memset(workspace.tensor.data, 0xff, static_cast<size_t>(workspace.tensor.bytes()));
    return workspace;
  }
};

/// Offset of (token, batch, slot) in a [s, b, slots * d] tensor.
inline size_t offset(const AttentionShape& shape, int64_t slots, int64_t token, int64_t batch,
                     int64_t slot) {
  return static_cast<size_t>(((token * shape.batch + batch) * slots + slot) * shape.head_dim);
}

inline double dot(const double* x, const double* y, int64_t count) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += x[i] * y[i];
  return sum;
}

struct Result {
  std::vector<double> out, stats, dqkv;
  /// How far a kernel that multiplies in bf16 (tensor cores, AMX, AVX-512) may be off beside the
  /// rounding of its results: it rounds probabilities and gradients of scores to bf16 between two
  /// products, and gradients of keys and values by query head before it adds those of a group.
  std::vector<double> out_error, dqkv_error;
};

inline constexpr double kBf16Roundoff = 0x1p-8;

/// The textbook: softmax over the whole row, and its Jacobian. Takes `out` for delta from the
/// kernel, rounded as that one sees it.
inline Result reference(const Attention& x) {
  const AttentionShape& s = x.shape;
  const std::vector<double> qkv = to_doubles(x.qkv.tensor);
  const std::vector<double> dout = to_doubles(x.dout.tensor);
  const int64_t slots = s.heads + 2 * s.kv_heads;
  const int64_t d = s.head_dim;
  Result r{std::vector<double>(dout.size()),
           std::vector<double>(static_cast<size_t>(s.batch * s.heads * s.sequence)),
           std::vector<double>(qkv.size()), std::vector<double>(dout.size()),
           std::vector<double>(qkv.size())};
  for (int64_t batch = 0; batch < s.batch; ++batch)
    for (int64_t head = 0; head < s.heads; ++head) {
      const int64_t kv_head = head / (s.heads / s.kv_heads);
      for (int64_t i = 0; i < s.sequence; ++i) {
        const size_t q = offset(s, slots, i, batch, head);
        const size_t o = offset(s, s.heads, i, batch, head);
        const auto k = [&](int64_t j) { return offset(s, slots, j, batch, s.heads + kv_head); };
        const auto v = [&](int64_t j) {
          return offset(s, slots, j, batch, s.heads + s.kv_heads + kv_head);
        };
        std::vector<double> p;
        for (int64_t j = 0; j <= i; ++j) p.push_back(x.scale * dot(&qkv[q], &qkv[k(j)], d));
        const double maximum = *std::max_element(p.begin(), p.end());
        double sum = 0;
        for (const double score : p) sum += std::exp(score - maximum);
        const double stats = maximum + std::log(sum);
        r.stats[static_cast<size_t>((batch * s.heads + head) * s.sequence + i)] = stats;
        for (double& score : p) score = std::exp(score - stats);
        for (int64_t j = 0; j <= i; ++j)
          for (size_t e = 0; e < static_cast<size_t>(d); ++e) {
            const double term = p[static_cast<size_t>(j)] * qkv[v(j) + e];
            r.out[o + e] += term;
            r.out_error[o + e] += kBf16Roundoff * std::abs(term);
          }
        double delta = 0;
        double delta_error = 0;  // the kernel's output may be the neighbour of the rounded one
        for (size_t e = o; e < o + static_cast<size_t>(d); ++e) {
          delta += round_to(x.dtype, r.out[e]) * dout[e];
          delta_error +=
              (r.out_error[e] + 2 * kBf16Roundoff * std::abs(r.out[e])) * std::abs(dout[e]);
        }
        for (int64_t j = 0; j <= i; ++j) {
          const double pj = p[static_cast<size_t>(j)];
          const double ds = x.scale * pj * (dot(&dout[o], &qkv[v(j)], d) - delta);
          for (size_t e = 0; e < static_cast<size_t>(d); ++e) {
            r.dqkv[v(j) + e] += pj * dout[o + e];
            r.dqkv[q + e] += ds * qkv[k(j) + e];
            r.dqkv[k(j) + e] += ds * qkv[q + e];
            const double ds_error = x.scale * pj * delta_error + kBf16Roundoff * std::abs(ds);
            const double sum_error = kBf16Roundoff * std::abs(ds);  // of one query head
            r.dqkv_error[v(j) + e] += 2 * kBf16Roundoff * pj * std::abs(dout[o + e]);
            r.dqkv_error[q + e] += ds_error * std::abs(qkv[k(j) + e]);
            r.dqkv_error[k(j) + e] += (ds_error + sum_error) * std::abs(qkv[q + e]);
          }
        }
      }
    }
  return r;
}

/// |got - want| <= error + the tolerance of one rounding.
inline void require_within(const Tensor& got, const std::vector<double>& want,
                           const std::vector<double>& error) {
  const std::vector<double> values = to_doubles(got);
  const Tolerance rounding = tolerance_for(got.dtype);
  for (size_t i = 0; i < values.size(); ++i) {
    const double bound = rounding.absolute + rounding.relative * std::abs(want[i]) + error[i];
    if (!(std::abs(values[i] - want[i]) <= bound))
      FAIL(fmt::format("element {}: got {}, want {}, bound {}", i, values[i], want[i], bound));
  }
}

inline std::string describe(const AttentionShape& s, DType dtype) {
  return fmt::format("s {} b {} n {} k {} d {} {}", s.sequence, s.batch, s.heads, s.kv_heads,
                     s.head_dim, name_of(dtype));
}

}  // namespace swallow::test
