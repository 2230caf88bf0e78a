#include "telemetry/table.h"

#include <algorithm>

namespace swallow {
namespace {

/// Columns on the screen rather than bytes, so that a path in Japanese does not shift the others:
/// characters from U+3000 on, whose UTF-8 starts at 0xe3, are two columns wide.
size_t length(const std::string& cell) {
  size_t columns = 0;
  for (const char c : cell) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xc0U) != 0x80U) columns += byte >= 0xe3U ? 2 : 1;
  }
  return columns;
}

bool is_number(const std::string& cell) {
  return cell.empty() || cell == "-" ||
         (cell.find_first_of("0123456789") < 2 && cell.find_first_of("/:\\") == std::string::npos);
}

struct Column {
  size_t width = 0;
  bool right = true;
};

std::vector<Column> measure(const TextTable& table) {
  std::vector<Column> columns(table.header.size());
  for (size_t i = 0; i < columns.size(); ++i) columns[i].width = length(table.header[i]);
  for (const auto& row : table.rows) {
    if (row.size() > columns.size()) columns.resize(row.size());
    for (size_t i = 0; i < row.size(); ++i) {
      columns[i].width = std::max(columns[i].width, length(row[i]));
      columns[i].right = columns[i].right && is_number(row[i]);
    }
  }
  if (!columns.empty()) columns[0].right = false;
  return columns;
}

std::string line(const std::vector<std::string>& cells, const std::vector<Column>& columns) {
  std::string text = " ";
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(columns[i].width - length(cells[i]), ' ');
    text += ' ';
    text += columns[i].right ? padding + cells[i] : cells[i] + padding;
    text += ' ';
  }
  text.erase(text.find_last_not_of(' ') + 1);
  return text + '\n';
}

}  // namespace

std::string TextTable::text() const {
  const std::vector<Column> columns = measure(*this);
  std::string out = title.empty() ? "" : title + '\n';
  if (!header.empty()) out += line(header, columns);
  for (const auto& row : rows) out += line(row, columns);
  return out;
}

}  // namespace swallow
