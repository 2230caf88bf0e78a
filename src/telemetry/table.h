// Small aligned text tables: the grid, memory and data plans before step 1, the summary at the end.
#pragma once

#include <string>
#include <vector>

namespace swallow {

struct TextTable {
  std::string title;
  std::vector<std::string> header;             // may be empty
  std::vector<std::vector<std::string>> rows;  // shorter rows are filled with empty cells

  /// Title, header and rows, one line each; columns of numbers are right-aligned. Ends in newline.
  [[nodiscard]] std::string text() const;
};

}  // namespace swallow
