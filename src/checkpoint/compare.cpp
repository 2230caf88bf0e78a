#include "checkpoint/compare.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "checkpoint/strict_json.h"

namespace swallow {

namespace {

constexpr int64_t kChunk = int64_t{1} << 18;  // elements

TensorDifference compare_tensor(const TensorSource& a, const TensorSource& b,
                                const std::string& name, StateKind kind) {
  TensorDifference result{
      .name = name, .kind = kind, .shape = a.tensors().find(name)->second.shape};
  NumberReader reader_a(a, name, NumberType::f64);
  NumberReader reader_b(b, name, NumberType::f64);
  double squares = 0;
  const int64_t total = result.shape.numel();
  for (int64_t begin = 0; begin < total; begin += kChunk) {
    const int64_t count = std::min(kChunk, total - begin);
    const auto* x = reinterpret_cast<const double*>(reader_a.next(count).data());
    const auto* y = reinterpret_cast<const double*>(reader_b.next(count).data());
    for (int64_t i = 0; i < count; ++i) {
      if (x[i] == y[i]) continue;
      const double difference = std::fabs(x[i] - y[i]);
      ++result.different;
      result.max_abs = std::max(result.max_abs, difference);
      result.max_rel =
          std::max(result.max_rel, difference / std::max(std::fabs(x[i]), std::fabs(y[i])));
      squares += difference * difference;
    }
  }
  result.rms = std::sqrt(squares / static_cast<double>(std::max<int64_t>(total, 1)));
  return result;
}

void compare_kind(const TensorSource& a, const TensorSource& b, StateKind kind,
                  ModelDifference& result) {
  const auto lacks = [&](const TensorSource& source, const std::string& name) {
    result.missing.push_back(
        fmt::format("{} {} is not in {}", in_quotes(name), name_of(kind), source.place()));
  };
  for (const auto& [name, tensor] : a.tensors()) {
    const auto other = b.tensors().find(name);
    if (other == b.tensors().end())
      lacks(b, name);
    else if (other->second.shape != tensor.shape)
      result.missing.push_back(fmt::format("{} {} has shape {} in {} and {} in {}", in_quotes(name),
                                           name_of(kind), to_string(tensor.shape), a.place(),
                                           to_string(other->second.shape), b.place()));
    else
      result.tensors.push_back(compare_tensor(a, b, name, kind));
  }
  for (const auto& [name, tensor] : b.tensors())
    if (!a.tensors().contains(name)) lacks(a, name);
}

}  // namespace

bool ModelDifference::equal() const {
  return missing.empty() && std::ranges::all_of(tensors, [](const TensorDifference& tensor) {
           return tensor.different == 0;
         });
}

ModelDifference compare_models(const SavedModel& a, const SavedModel& b) {
  ModelDifference result;
  for (const StateKind kind : kStateKinds) {
    const TensorSource* in_a = a.tensors(kind);
    const TensorSource* in_b = b.tensors(kind);
    if (in_a != nullptr && in_b != nullptr)
      compare_kind(*in_a, *in_b, kind, result);
    else if (in_a != nullptr || in_b != nullptr)
      result.notes.push_back(fmt::format("{}: not compared, {} has none", name_of(kind),
                                         (in_a == nullptr ? a : b).folder().string()));
  }
  return result;
}

}  // namespace swallow
