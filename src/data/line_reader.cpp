#include "data/line_reader.h"

#include <utility>

namespace swallow {

LineReader::LineReader(ByteSource source, size_t max_line_bytes, size_t block_bytes)
    : source_(std::move(source)), max_line_bytes_(max_line_bytes), block_bytes_(block_bytes) {}

bool LineReader::read_block(std::string& text) {
  const size_t before = text.size();
  text.resize(before + block_bytes_);
  const int64_t got = source_(std::span(text).subspan(before));
  text.resize(before + static_cast<size_t>(got));
  return got > 0;
}

bool LineReader::next(LineChunk& chunk) {
  chunk.lines.clear();
  chunk.first_line = next_line_;
  chunk.text = std::exchange(rest_, {});
  size_t searched = 0;  // a long line is searched once, not once a block
  while (read_block(chunk.text)) {
    const size_t newline = std::string_view(chunk.text).substr(searched).rfind('\n');
    if (newline != std::string_view::npos) {
      rest_ = chunk.text.substr(searched + newline + 1);
      chunk.text.resize(searched + newline + 1);
      break;
    }
    searched = chunk.text.size();
    if (chunk.text.size() > max_line_bytes_) {
      skip_line(chunk);
      break;
    }
  }
  split(chunk);
  next_line_ += static_cast<int64_t>(chunk.lines.size());
  return !chunk.lines.empty();
}

/// The chunk holds the beginning of one line that is already too long: drops it to its end.
void LineReader::skip_line(LineChunk& chunk) {
  chunk.text.clear();
  chunk.lines.push_back({0, 0, true});
  std::string block;
  while (read_block(block)) {
    if (const size_t newline = block.find('\n'); newline != std::string::npos) {
      rest_ = block.substr(newline + 1);
      return;
    }
    block.clear();
  }
}

void LineReader::split(LineChunk& chunk) {
  for (size_t begin = 0; begin < chunk.text.size();) {
    const size_t end = std::min(chunk.text.find('\n', begin), chunk.text.size());
    chunk.lines.push_back({begin, end - begin, end - begin > max_line_bytes_});
    begin = end + 1;
  }
}

}  // namespace swallow
