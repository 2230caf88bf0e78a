#include "report/html.h"

#include <fmt/format.h>

#include <algorithm>

#include "report/svg.h"

namespace swallow {

namespace {

/// Whether it begins like a number, after a sign, and is neither a path nor a date.
bool is_number(const std::string& cell) {
  const size_t digit = cell.find_first_of("0123456789");
  const bool begins = digit == 0 || (digit == 1 && (cell[0] == '-' || cell[0] == '+'));
  return begins && cell.find_first_of("/\\") == std::string::npos &&
         cell.find('-', 1) == std::string::npos;
}

/// Columns in which every cell that is not empty is a number.
std::vector<bool> right_columns(const HtmlTable& table) {
  size_t width = table.header.size();
  for (const auto& row : table.rows) width = std::max(width, row.size());
  std::vector<bool> right(width, true);
  for (const auto& row : table.rows)
    for (size_t i = 0; i < row.size(); ++i)
      right[i] = right[i] && (row[i].empty() || row[i] == "-" || is_number(row[i]));
  return right;
}

}  // namespace

std::string paragraph(std::string_view text, std::string_view css_class) {
  const std::string attribute =
      css_class.empty() ? "" : fmt::format(" class=\"{}\"", escape_xml(css_class));
  return fmt::format("<p{}>{}</p>\n", attribute, escape_xml(text));
}

std::string absent(std::string_view what_would_make_it_appear) {
  return paragraph(fmt::format("Not in this run: {}", what_would_make_it_appear), "absent");
}

std::string html_table(const HtmlTable& table) {
  const std::vector<bool> right = right_columns(table);
  const auto cell = [&](std::string_view element, size_t column, const std::string& text) {
    return fmt::format("<{0}{1}>{2}</{0}>", element, right[column] ? " class=\"right\"" : "",
                       escape_xml(text));
  };
  std::string out = "<div class=\"table\"><table>\n";
  if (!table.header.empty()) {
    out += "<thead><tr>";
    for (size_t i = 0; i < table.header.size(); ++i) out += cell("th", i, table.header[i]);
    out += "</tr></thead>\n";
  }
  out += "<tbody>\n";
  for (const auto& row : table.rows) {
    out += "<tr>";
    for (size_t i = 0; i < row.size(); ++i)
      out += cell(i == 0 && table.first_column_names ? "th" : "td", i, row[i]);
    out += "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace swallow
