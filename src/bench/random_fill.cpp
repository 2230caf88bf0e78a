#include "bench/random_fill.h"

#include <algorithm>

#include "base/dtype.h"
#include "base/philox.h"

namespace swallow {

namespace {

constexpr int64_t kPeriod = 1'048'573;  // the largest prime below 2^20
constexpr uint64_t kSeed = 20240701;

}  // namespace

void RandomFill::normal(const Tensor& tensor, double mean, double standard_deviation) {
  repeat(tensor, block(tensor.dtype, mean, standard_deviation, 0));
}

void RandomFill::ids(const Tensor& tensor, int64_t below) {
  repeat(tensor, block(DType::i32, 0, 0, below));
}

const RandomFill::Block& RandomFill::block(DType dtype, double mean, double standard_deviation,
                                           int64_t below) {
  for (const Block& known : blocks_)
    if (known.dtype == dtype && known.mean == mean && known.below == below &&
        known.standard_deviation == standard_deviation)
      return known;
  if (numbers_.empty()) {
    numbers_.resize(static_cast<size_t>(kPeriod));
    for (size_t i = 0; i < numbers_.size(); ++i)
      numbers_[i] = static_cast<float>(philox_normal(kSeed, stream_of("bench"), i));
  }
  Block made{dtype, mean, standard_deviation, below,
             Buffer(stream_.device(), kPeriod * size_of(dtype))};
  const auto upload = [&]<class T>(std::vector<T> values) {
    copy_bytes(stream_, made.buffer.data(), values.data(), kPeriod * size_of(dtype));
    stream_.synchronize();  // `values` ends here
  };
  if (dtype == DType::i32) {
    std::vector<int32_t> values(numbers_.size());
    for (size_t i = 0; i < values.size(); ++i)
      values[i] = static_cast<int32_t>(philox({static_cast<uint32_t>(i)}, {1, 0})[0] %
                                       static_cast<uint64_t>(below));
    upload(std::move(values));
  } else {
    visit_dtype(dtype, [&]<class T>(std::type_identity<T>) {
      std::vector<T> values(numbers_.size());
      for (size_t i = 0; i < values.size(); ++i)
        values[i] = convert<T>(mean + standard_deviation * static_cast<double>(numbers_[i]));
      upload(std::move(values));
    });
  }
  blocks_.push_back(std::move(made));
  return blocks_.back();
}

void RandomFill::repeat(const Tensor& tensor, const Block& block) {
  auto* out = static_cast<std::byte*>(tensor.data);
  const int64_t element = size_of(tensor.dtype);
  for (int64_t done = 0; done < tensor.numel();) {
    const int64_t count = std::min(kPeriod - begin_, tensor.numel() - done);
    copy_bytes(stream_, out + done * element, block.buffer.data() + begin_ * element,
               count * element);
    done += count;
    begin_ = (begin_ + count) % kPeriod;
  }
}

}  // namespace swallow
