// Lines out of a stream of bytes, a chunk at a time, in memory bounded by the longest line allowed.
// It knows nothing of files or JSON: the bytes come from a function, so a decompressor or a fuzzer
// can stand behind it.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// Fills the front of the span and returns how many bytes; 0 at the end.
using ByteSource = std::function<int64_t(std::span<char>)>;

struct LineChunk {
  struct Line {
    size_t begin = 0;
    size_t size = 0;        // without the newline
    bool too_long = false;  // its text was dropped
  };
  std::string text;
  std::vector<Line> lines;
  int64_t first_line = 1;  // number of lines[0] in the stream, from 1

  [[nodiscard]] std::string_view view(const Line& line) const {
    return std::string_view(text).substr(line.begin, line.size);
  }
};

class LineReader {
 public:
  explicit LineReader(ByteSource source, size_t max_line_bytes = size_t{64} << 20,
                      size_t block_bytes = size_t{256} << 10);

  /// The next whole lines, at least one; the last line needs no newline. False at the end.
  bool next(LineChunk& chunk);

 private:
  bool read_block(std::string& text);
  void skip_line(LineChunk& chunk);
  void split(LineChunk& chunk);

  ByteSource source_;
  size_t max_line_bytes_;
  size_t block_bytes_;
  std::string rest_;  // read, but not handed out: the last line's end is still to come
  int64_t next_line_ = 1;
};

}  // namespace swallow
