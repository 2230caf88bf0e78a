// Connections that were no rank's: how many, and of the first few who it was and what was wrong.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

class StrangerLog {
 public:
  void note(std::string_view who, std::string_view what);

  [[nodiscard]] bool empty() const noexcept { return count_ == 0; }
  /// "2 connections were turned away: ...", or empty when there was none.
  [[nodiscard]] std::string text() const;

 private:
  size_t count_ = 0;
  std::vector<std::string> first_;
};

}  // namespace swallow
