#include "launch/shell_words.h"

#include <fmt/format.h>

#include <algorithm>

namespace swallow {
namespace {

// Without a meaning to any shell wherever they stand in a word. '=' makes an assignment of a word
// that stands first, which a flag cannot be.
constexpr std::string_view kPlain =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%";
constexpr std::string_view kPlainInFlags =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:,+@%=";

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// In octal of three digits, so that a digit behind it is not taken for a part.
std::string escaped(std::string_view text) {
  std::string word = "$'";
  for (const char c : text) {
    if (is_control(c))
      word += fmt::format("\\{:03o}", static_cast<unsigned char>(c));
    else if (c == '\'' || c == '\\')
      word += fmt::format("\\{}", c);
    else
      word += c;
  }
  return word + "'";
}

/// A single quote cannot stand in single quotes: close them, escape it, open them again.
std::string quoted(std::string_view text) {
  std::string word = "'";
  for (const char c : text) {
    if (c == '\'')
      word += "'\\''";
    else
      word += c;
  }
  return word + "'";
}

}  // namespace

std::string shell_word(std::string_view text) {
  if (std::ranges::any_of(text, is_control)) return escaped(text);
  const std::string_view plain = text.starts_with("--") ? kPlainInFlags : kPlain;
  if (text.empty() || text.find_first_not_of(plain) != std::string_view::npos) return quoted(text);
  return std::string(text);
}

std::string shell_line(std::span<const std::string> words) {
  std::string line;
  for (const std::string& word : words) {
    if (!line.empty()) line += ' ';
    line += shell_word(word);
  }
  return line;
}

std::string shell_command(std::span<const std::string> words, std::string_view indent) {
  std::string text;
  for (const std::string& word : words) {
    if (word.starts_with("--"))
      text += fmt::format(" \\\n{}", indent);
    else if (!text.empty())
      text += ' ';
    text += shell_word(word);
  }
  return text;
}

}  // namespace swallow
