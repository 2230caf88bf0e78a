#include "data/split.h"

#include <charconv>
#include <cmath>

#include "base/check.h"
#include "data/numpy_random.h"

namespace swallow {

namespace {

std::array<double, 3> parse_split(std::string_view split) {
  std::array<double, 3> shares{};
  std::string_view rest = split;
  double sum = 0;
  for (size_t i = 0;; ++i) {
    const size_t comma = std::min(rest.find(','), rest.size());
    const std::string_view item = rest.substr(0, comma);
    double share = 0;
    const auto [end, error] =
        std::from_chars(item.data(), item.data() + item.size(), share, std::chars_format::fixed);
    if (i >= shares.size() || error != std::errc{} || end != item.data() + item.size() ||
        !std::isfinite(share) || share < 0) {
      throw ConfigError("--split {}: expected one to three numbers >= 0, such as 969,30,1", split);
    }
    shares[i] = share;
    sum += share;
    if (comma == rest.size()) break;
    rest.remove_prefix(comma + 1);
  }
  if (!(sum > 0) || !std::isfinite(sum)) {
    throw ConfigError("--split {}: the shares add up to {}, expected more than 0", split, sum);
  }
  return shares;
}

}  // namespace

std::vector<double> normalised(std::span<const double> weights) {
  const double sum = numpy_sum(weights);
  std::vector<double> shares(weights.begin(), weights.end());
  for (double& share : shares) share /= sum;
  return shares;
}

std::array<SequenceRange, 3> split_ranges(std::string_view split, int64_t num_sequences) {
  const std::vector<double> shares = normalised(parse_split(split));
  const auto count = static_cast<double>(num_sequences);
  std::array<SequenceRange, 3> ranges;
  double begin = 0;
  for (size_t i = 0; i < ranges.size(); ++i) {
    const double end = begin + shares[i];
    // nearbyint rounds ties to even in the default mode, as Python's round() does.
    ranges[i] = {std::llround(std::nearbyint(begin * count)),
                 std::llround(std::nearbyint(end * count))};
    begin = end;
  }
  return ranges;
}

}  // namespace swallow
