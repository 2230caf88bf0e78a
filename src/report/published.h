// Speeds that others have published for models of Llama's size, to stand beside our own. As stated
// there: nothing is converted from one formula to another.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace swallow {

struct PublishedPoint {
  std::string_view key;  // one letter, for the picture
  std::string_view who;
  std::string_view what;  // model and sequence length
  std::string_view gpu;
  int64_t gpus = 0;
  double tokens_per_second_per_gpu = 0;  // 0: not stated
  double tflops = 0;                     // of a GPU; 0: not stated
  std::string_view formula;              // of tflops
  std::string_view source;
};

std::span<const PublishedPoint> published_points();

}  // namespace swallow
