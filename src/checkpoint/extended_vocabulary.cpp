#include "checkpoint/extended_vocabulary.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/math.h"
#include "base/philox.h"
#include "checkpoint/strict_json.h"

namespace swallow {

namespace {

constexpr std::string_view kGrown[] = {"model.embed_tokens.weight", "lm_head.weight"};

bool is_grown(std::string_view name) {
  return std::ranges::find(kGrown, name) != std::end(kGrown);
}

/// Old rows as they are, then the new ones.
class GrownReader final : public TensorReader {
 public:
  GrownReader(const TensorSource& source, const std::string& name, const VocabularyExtension& e)
      : extension_(e),
        stream_(stream_of(name)),
        old_rows_(source.tensors().find(name)->second.shape[0]),
        columns_(source.tensors().find(name)->second.shape[1]),
        reader_(source, name, NumberType::f64) {}

  void read(std::span<std::byte> elements) override {
    auto count = exact_div(static_cast<int64_t>(elements.size()), int64_t{sizeof(double)});
    const int64_t from_old = std::min(count, old_rows_ * columns_ - position_);
    if (from_old > 0) {
      read_old(elements.first(static_cast<size_t>(from_old) * sizeof(double)));
      elements = elements.subspan(static_cast<size_t>(from_old) * sizeof(double));
      count -= from_old;
    }
    for (int64_t i = 0; i < count; ++i, ++position_) {
      const int64_t column = position_ % columns_;
      if (column == 0) make_row(position_ / columns_ - old_rows_);
      std::memcpy(elements.data() + i * static_cast<int64_t>(sizeof(double)),
                  &row_[static_cast<size_t>(column)], sizeof(double));
    }
  }

 private:
  void read_old(std::span<std::byte> elements) {
    const auto numbers = reader_.next(static_cast<int64_t>(elements.size() / sizeof(double)));
    std::memcpy(elements.data(), numbers.data(), numbers.size());
    const auto* values = reinterpret_cast<const double*>(numbers.data());
    for (size_t i = 0; i < numbers.size() / sizeof(double); ++i)
      old_.push_back(static_cast<float>(values[i]));  // exact: files have fp32 at most
    position_ += static_cast<int64_t>(numbers.size() / sizeof(double));
  }

  void make_row(int64_t index) {
    row_.assign(static_cast<size_t>(columns_), 0.0);
    const std::vector<int32_t>& pieces = extension_.pieces[static_cast<size_t>(index)];
    if (extension_.init == RowInit::random) {
      for (int64_t c = 0; c < columns_; ++c)
        row_[static_cast<size_t>(c)] =
            extension_.std *
            philox_normal(extension_.seed, stream_, static_cast<uint64_t>(position_ + c));
    } else if (extension_.init == RowInit::mean || pieces.empty()) {
      row_ = mean_of_all();
    } else {
      for (const int32_t piece : pieces) add_old_row(piece, row_);
      for (double& value : row_) value /= static_cast<double>(pieces.size());
    }
  }

  void add_old_row(int64_t row, std::vector<double>& sum) const {
    const float* values = old_.data() + row * columns_;
    for (size_t c = 0; c < sum.size(); ++c) sum[c] += static_cast<double>(values[c]);
  }

  const std::vector<double>& mean_of_all() {
    if (!mean_.empty()) return mean_;
    mean_.assign(static_cast<size_t>(columns_), 0.0);
    for (int64_t row = 0; row < old_rows_; ++row) add_old_row(row, mean_);
    for (double& value : mean_) value /= static_cast<double>(old_rows_);
    return mean_;
  }

  const VocabularyExtension& extension_;
  uint64_t stream_;
  int64_t old_rows_;
  int64_t columns_;
  NumberReader reader_;
  std::vector<float> old_;    // [old rows, columns], as far as read
  std::vector<double> row_;   // the present new row
  std::vector<double> mean_;  // of all old rows, once needed
  int64_t position_ = 0;      // elements
};

}  // namespace

ExtendedVocabulary::ExtendedVocabulary(const TensorSource& source,
                                       const VocabularyExtension& extension)
    : source_(source), extension_(extension), tensors_(source.tensors()) {
  for (const std::string_view name : kGrown) {
    const auto found = tensors_.find(name);
    if (found == tensors_.end())
      throw CheckpointError("{}: tensor {} is missing", source.place(), in_quotes(name));
    const Shape shape = found->second.shape;
    for (const auto& pieces : extension.pieces)
      for (const int32_t piece : pieces)
        SWALLOW_CHECK(piece >= 0 && piece < shape[0], "token {} of {}", piece, shape[0]);
    found->second = {.shape = {shape[0] + std::ssize(extension.pieces), shape[1]},
                     .type = NumberType::f64};
  }
}

std::unique_ptr<TensorReader> ExtendedVocabulary::open(const std::string& name) const {
  if (!is_grown(name)) return source_.open(name);
  return std::make_unique<GrownReader>(source_, name, extension_);
}

}  // namespace swallow
