// Small pieces of HTML. Cells and texts are plain and get escaped here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace swallow {

/// A paragraph; css_class may be empty.
std::string paragraph(std::string_view text, std::string_view css_class = {});

/// "Not in this run: ..." in the muted style.
std::string absent(std::string_view what_would_make_it_appear);

struct HtmlTable {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;  // cells of numbers are set right
  bool first_column_names = true;              // are headings of their rows
};
std::string html_table(const HtmlTable& table);

}  // namespace swallow
