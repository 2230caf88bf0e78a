// Compiled with -ffp-contract=off (CMakeLists.txt): a fused multiply-add would round `w * i - used`
// once instead of twice and could choose another dataset than Megatron does.
#include "data/blended_dataset.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/check.h"
#include "data/split.h"

namespace swallow {

namespace {
constexpr int64_t kBlock = 1024;
constexpr double kSurplus = 0.005;  // Megatron's mid_level_dataset_surplus
}  // namespace

BlendSizes blend_sizes(std::span<const double> shares, int64_t num_samples) {
  BlendSizes sizes;
  for (const double share : shares) {
    const double target = std::ceil(static_cast<double>(num_samples) * share);
    sizes.target.push_back(static_cast<int64_t>(target));
    sizes.built.push_back(static_cast<int64_t>(std::ceil(target * (1 + kSurplus))));
    sizes.total += sizes.target.back();
  }
  return sizes;
}

BlendIndex::BlendIndex(std::span<const double> shares, int64_t size) {
  SWALLOW_CHECK(!shares.empty() && shares.size() < std::numeric_limits<int16_t>::max() && size >= 0,
                "a blend of {} datasets, {} samples", shares.size(), size);
  const std::vector<double> weights = normalised(shares);
  used_.assign(weights.size(), 0);
  datasets_.resize(static_cast<size_t>(size));
  for (int64_t i = 0; i < size; ++i) {
    if (i % kBlock == 0) kept_.insert(kept_.end(), used_.begin(), used_.end());
    const auto step = static_cast<double>(std::max<int64_t>(i, 1));
    size_t best = 0;
    double best_error = -std::numeric_limits<double>::infinity();
    for (size_t d = 0; d < weights.size(); ++d) {
      const double error = weights[d] * step - static_cast<double>(used_[d]);
      if (error > best_error) {
        best_error = error;
        best = d;
      }
    }
    datasets_[static_cast<size_t>(i)] = static_cast<uint16_t>(best);
    ++used_[best];
  }
}

BlendIndex::Pick BlendIndex::pick(int64_t index) const {
  const uint16_t dataset = datasets_[static_cast<size_t>(index)];
  const int64_t block = index / kBlock;
  const auto begin = datasets_.begin() + block * kBlock;
  const int64_t before = kept_[static_cast<size_t>(block) * used_.size() + dataset];
  return {dataset, before + std::count(begin, datasets_.begin() + index, dataset)};
}

BlendedDataset::BlendedDataset(std::vector<std::unique_ptr<SampleSource>> parts,
                               std::span<const double> shares, int64_t size)
    : parts_(std::move(parts)), index_(shares, size) {
  SWALLOW_CHECK(parts_.size() == shares.size(), "{} datasets with {} weights", parts_.size(),
                shares.size());
  for (size_t d = 0; d < parts_.size(); ++d) {
    if (index_.used()[d] > parts_[d]->size()) {
      throw DataError(
          "the blend takes {} samples of its dataset number {}, which was built with {}",
          index_.used()[d], d, parts_[d]->size());
    }
  }
}

void BlendedDataset::sample(int64_t index, std::span<int32_t> out) const {
  SWALLOW_CHECK(index >= 0 && index < size(), "sample {} of {}", index, size());
  const BlendIndex::Pick pick = index_.pick(index);
  parts_[static_cast<size_t>(pick.dataset)]->sample(pick.sample, out);
}

std::string BlendedDataset::describe(int64_t index, int64_t position) const {
  const BlendIndex::Pick pick = index_.pick(index);
  return parts_[static_cast<size_t>(pick.dataset)]->describe(pick.sample, position);
}

}  // namespace swallow
