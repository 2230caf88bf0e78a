// Words for bash: whatever bytes a value holds, the shell reads it back as that one word. All that
// goes into a written script passes through here. Without control characters the words are those of
// any POSIX shell.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace swallow {

/// `text` as one word on one line. Plain words stay as they are, so that scripts stay readable;
/// others are put in single quotes, and those with control characters in $'...', which keeps a line
/// break from starting a line that a shell or a scheduler would read as its own.
std::string shell_word(std::string_view text);

/// The words with a space between each two.
std::string shell_line(std::span<const std::string> words);

/// A command for reading: a new line, continued by a backslash, before each word that begins with
/// two dashes. `indent` stands before every line but the first.
std::string shell_command(std::span<const std::string> words, std::string_view indent);

}  // namespace swallow
