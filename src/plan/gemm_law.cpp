#include "plan/gemm_law.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "base/check.h"

namespace swallow {

namespace {

constexpr size_t kTerms = 4;  // FLOP, operand, result, one for each product
using Terms = std::array<double, kTerms>;

Terms terms_of(const GemmCall& call) {
  return {gemm_flops(call), gemm_operand_bytes(call), gemm_result_bytes(call), 1};
}

/// Of the normal equations of the terms in use.
struct Equations {
  std::array<Terms, kTerms> left{};
  Terms right{};
};

Equations equations_of(const std::vector<TimedGemm>& products) {
  Equations e;
  for (const TimedGemm& product : products) {
    const Terms terms = terms_of(product.call);
    const double weight = product.calls / product.seconds;
    for (size_t i = 0; i < kTerms; ++i) {
      e.right[i] += weight * terms[i] * product.seconds;
      for (size_t j = 0; j < kTerms; ++j) e.left[i][j] += weight * terms[i] * terms[j];
    }
  }
  return e;
}

/// Solves for the terms in `used`, the others being zero: Gauss-Jordan with the largest pivot, on
/// rows and columns scaled so that the diagonal is 1. False when they cannot be told apart.
bool solve(const Equations& equations, const std::array<bool, kTerms>& used, Terms& costs) {
  constexpr double kSingular = 1e-9;
  Terms scale{};
  for (size_t i = 0; i < kTerms; ++i) scale[i] = std::sqrt(equations.left[i][i]);
  std::array<std::array<double, kTerms + 1>, kTerms> rows{};
  for (size_t i = 0; i < kTerms; ++i) {
    for (size_t j = 0; j < kTerms; ++j)
      rows[i][j] = used[i] && used[j] ? equations.left[i][j] / (scale[i] * scale[j])
                                      : static_cast<double>(i == j);
    rows[i][kTerms] = used[i] ? equations.right[i] / scale[i] : 0;
  }
  for (size_t i = 0; i < kTerms; ++i) {
    size_t pivot = i;
    for (size_t r = i + 1; r < kTerms; ++r)
      if (std::abs(rows[r][i]) > std::abs(rows[pivot][i])) pivot = r;
    if (std::abs(rows[pivot][i]) < kSingular) return false;
    std::swap(rows[i], rows[pivot]);
    for (size_t r = 0; r < kTerms; ++r) {
      if (r == i) continue;
      const double factor = rows[r][i] / rows[i][i];
      for (size_t j = i; j <= kTerms; ++j) rows[r][j] -= factor * rows[i][j];
    }
  }
  for (size_t i = 0; i < kTerms; ++i)
    costs[i] = used[i] ? rows[i][kTerms] / rows[i][i] / scale[i] : 0;
  return true;
}

double inverse(double cost) {
  return cost > 0 ? 1 / cost : 0;
}

}  // namespace

GemmLaw fit_gemm_law(const std::vector<TimedGemm>& products) {
  const Equations equations = equations_of(products);
  std::array<bool, kTerms> used;
  used.fill(true);
  Terms costs{};
  const auto solved = [&] { return solve(equations, used, costs); };
  // Terms leave one by one: the one for each product first where they cannot be told apart, else
  // the one whose share of the time is the most negative.
  for (bool good = solved(); used[1] || used[2] || used[3]; good = solved()) {
    size_t worst = 0;
    double least = 0;
    for (size_t i = 1; i < kTerms; ++i) {
      const double share = costs[i] * std::sqrt(equations.left[i][i]);
      if (used[i] && (good ? share < least : true)) worst = i, least = share;
    }
    if (worst == 0) break;
    used[worst] = false;
  }
  if (!(costs[0] > 0))
    throw ConfigError("records of single ops: expected matrix products of several sizes");
  return {.flops = 1 / costs[0],
          .operand = inverse(costs[1]),
          .result = inverse(costs[2]),
          .overhead = costs[3]};
}

}  // namespace swallow
