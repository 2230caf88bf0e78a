#include "data/sample_index.h"

#include <algorithm>
#include <limits>
#include <new>
#include <numeric>

#include "base/check.h"
#include "base/math.h"
#include "data/numpy_random.h"

namespace swallow {

namespace {

constexpr int64_t kKeptEvery = 8;
constexpr int64_t kAhead = 32;  // entries: lengths are fetched while earlier ones are added up
constexpr int64_t kMaxSamples = int64_t{1} << 32;  // the shuffle is kept in 32 bits

/// The range's sequences, `epochs` times over, as one shuffled array.
void append_epochs(std::vector<int32_t>& documents, SequenceRange range, int64_t epochs,
                   NumpyRandomState& random) {
  const size_t begin = documents.size();
  for (int64_t epoch = 0; epoch < epochs; ++epoch) {
    for (int64_t i = range.begin; i < range.end; ++i) documents.push_back(static_cast<int32_t>(i));
  }
  random.shuffle(std::span(documents).subspan(begin));
}

}  // namespace

EpochPlan plan_epochs(int64_t tokens_per_epoch, int64_t num_samples, int64_t sequence_length) {
  const int64_t t = tokens_per_epoch;
  const int64_t n = num_samples;
  const int64_t s = sequence_length;
  if (n >= kMaxSamples || n > (std::numeric_limits<int64_t>::max() / 4 - 1) / s) {
    throw ConfigError("{} samples of {} tokens asked for; fewer than {} samples are possible", n, s,
                      kMaxSamples);
  }
  EpochPlan plan;
  plan.epochs = std::max<int64_t>(1, ceil_div(n * s + 1, t));
  plan.samples = (plan.epochs * t - 1) / s;
  if (plan.samples >= kMaxSamples) {
    throw ConfigError("the file holds {} samples of {} tokens; fewer than {} are possible",
                      plan.samples, s, kMaxSamples);
  }
  if (plan.epochs > 1) {
    plan.samples_before_last = ((plan.epochs - 1) * t - 1) / s;
    const int64_t per_epoch = (t - 1) / s;
    plan.separate_last =
        n - plan.samples_before_last < static_cast<int64_t>(0.80 * static_cast<double>(per_epoch));
  }
  return plan;
}

SampleIndex::SampleIndex(std::span<const int32_t> lengths, const SampleOrder& order)
    : lengths_(lengths), sequence_length_(order.sequence_length) {
  const SequenceRange range = order.sequences;
  SWALLOW_CHECK(order.sequence_length > 0 && order.num_samples >= 0 && range.begin >= 0 &&
                    range.end <= static_cast<int64_t>(lengths.size()),
                "{} samples of {} tokens from sequences {} to {}", order.num_samples,
                order.sequence_length, range.begin, range.end);
  if (range.end > std::numeric_limits<int32_t>::max()) {
    throw DataError("{} sequences in one file; the order holds numbers below 2^31", range.end);
  }
  int64_t tokens = 0;
  for (int64_t i = range.begin; i < range.end; ++i) tokens += lengths[static_cast<size_t>(i)];
  if (tokens == 0) throw DataError("sequences {} to {} hold no token", range.begin, range.end);
  plan_ = plan_epochs(tokens, order.num_samples, order.sequence_length);

  try {
    NumpyRandomState random(order.seed);
    documents_.reserve(static_cast<size_t>(plan_.epochs * range.size()));
    append_epochs(documents_, range, plan_.separate_last ? plan_.epochs - 1 : plan_.epochs, random);
    if (plan_.separate_last) append_epochs(documents_, range, 1, random);
    keep_positions(plan_.samples + 1);

    shuffle_.resize(static_cast<size_t>(plan_.samples));
    std::iota(shuffle_.begin(), shuffle_.end(), 0U);
    const auto border =
        static_cast<size_t>(plan_.separate_last ? plan_.samples_before_last : plan_.samples);
    random.shuffle(std::span(shuffle_).first(border));
    random.shuffle(std::span(shuffle_).subspan(border));
  } catch (const std::bad_alloc&) {
    throw ResourceError("the order of {} documents in {} epochs and {} samples takes {} MB",
                        range.size(), plan_.epochs, plan_.samples,
                        (4 * plan_.epochs * range.size() + 6 * plan_.samples) / 1'000'000);
  }
}

void SampleIndex::keep_positions(int64_t num_rows) {
  const int64_t step = kKeptEvery * sequence_length_;
  kept_.reserve(static_cast<size_t>(ceil_div(num_rows, kKeptEvery)));
  kept_.push_back({0, 0});  // by definition, even where the first document is empty
  int64_t begin = 0;        // tokens before this entry
  const auto entries = static_cast<int64_t>(documents_.size());
  for (int64_t entry = 0; entry < entries; ++entry) {
    const int64_t later = std::min(entry + kAhead, entries - 1);
    __builtin_prefetch(&lengths_[static_cast<size_t>(documents_[static_cast<size_t>(later)])]);
    const int64_t end = begin + length_at(entry);
    for (int64_t token = static_cast<int64_t>(kept_.size()) * step; token < end; token += step) {
      kept_.push_back({entry, token - begin});
    }
    begin = end;
  }
}

SampleIndex::Position SampleIndex::position(int64_t row) const {
  Position at = kept_[static_cast<size_t>(row / kKeptEvery)];
  if (row % kKeptEvery == 0) return at;
  at.offset += row % kKeptEvery * sequence_length_;
  for (int64_t length = length_at(at.entry); at.offset >= length; length = length_at(at.entry)) {
    at.offset -= length;
    ++at.entry;
  }
  return at;
}

int64_t SampleIndex::bytes() const noexcept {
  return static_cast<int64_t>(documents_.size() * sizeof(int32_t) +
                              kept_.size() * sizeof(Position) + shuffle_.size() * sizeof(uint32_t));
}

}  // namespace swallow
