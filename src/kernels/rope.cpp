#include "kernels/rope.h"

#include <cmath>

#include "kernels/op_check.h"

namespace swallow {

void fill_rope_table(const Tensor& table, double base) {
  const OpCheck check("fill_rope_table", table);
  check.leading("table", table, 2);
  const int64_t sequence = table.size(0);
  const int64_t head_dim = table.size(1);
  check.require(table.dtype == DType::f32 && head_dim % 2 == 0, "table must be [s, even d] f32");
  check.require(table.device.kind == DeviceKind::cpu, "table must be host memory");
  check.require(base > 0, "the base must be positive");
  auto* values = table.as<float>();
  const int64_t half = head_dim / 2;
  for (int64_t i = 0; i < half; ++i) {
    const double frequency =
        std::pow(base, -2.0 * static_cast<double>(i) / static_cast<double>(head_dim));
    for (int64_t position = 0; position < sequence; ++position) {
      const double angle = static_cast<double>(position) * frequency;
      values[position * head_dim + i] = static_cast<float>(std::cos(angle));
      values[position * head_dim + half + i] = static_cast<float>(std::sin(angle));
    }
  }
}

void Rope::check() const {
  const OpCheck check("Rope", qkv);
  check.leading("qkv", qkv, 3);
  check.argument("table", table, DType::f32, {qkv.size(0), table.size(1)});
  const int64_t head_dim = table.size(1);
  check.require(head_dim > 0 && head_dim % 2 == 0, "the table's head dimension must be even");
  check.require(heads > 0 && heads * head_dim <= qkv.size(2), "more heads than a row of qkv holds");
}

}  // namespace swallow
