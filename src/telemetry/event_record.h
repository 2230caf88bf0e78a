// Records of TensorBoard's event files, written by hand: few fields of few messages (tensorflow's
// event.proto, summary.proto and tensor.proto) do not call for a protobuf library.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace swallow {

struct Scalar {
  std::string_view tag;
  double value = 0;  // stored in single precision, as the format has it
};

/// The messages; `wall_time` in seconds since 1970.
/// The first of every file: what the reader knows it by.
[[nodiscard]] std::string version_event(double wall_time);
/// The run goes on here: the reader drops what earlier files have of `step` and later ones.
[[nodiscard]] std::string start_event(double wall_time, int64_t step);
[[nodiscard]] std::string scalars_event(double wall_time, int64_t step,
                                        std::span<const Scalar> scalars);
/// Markdown, on the text page.
[[nodiscard]] std::string text_event(double wall_time, int64_t step, std::string_view tag,
                                     std::string_view markdown);

/// A message as a record of the file: its length and itself, each followed by its masked CRC-32C
/// (TFRecord).
[[nodiscard]] std::string framed(std::string_view message);

}  // namespace swallow
