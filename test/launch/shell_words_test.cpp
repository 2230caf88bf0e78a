#include "launch/shell_words.h"

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <random>

#include "support/scratch_folder.h"

using namespace swallow;
using test::ScratchFolder;

namespace {

using Words = std::vector<std::string>;

/// The arguments that `shell` makes of `line`.
Words read_by(const std::string& shell, const std::string& line) {
  const ScratchFolder folder;
  const std::string script = folder / "script";
  std::ofstream(script) << "printf '%s\\0' " << line << "\n";
  FILE* pipe = popen((shell + " " + script).c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) output += static_cast<char>(c);
  REQUIRE(pclose(pipe) == 0);
  Words words;
  for (size_t at = 0; at < output.size();) {
    const size_t end = output.find('\0', at);
    words.push_back(output.substr(at, end - at));
    at = end + 1;
  }
  return words;
}

}  // namespace

TEST_CASE("a shell reads every byte back, alone and beside a digit", "[unit][launch]") {
  Words words;
  for (int byte = 1; byte < 256; ++byte) {
    words.push_back({static_cast<char>(byte)});
    words.push_back({static_cast<char>(byte), '7', static_cast<char>(byte)});
  }
  const std::string line = shell_line(words);
  CHECK(line.find('\n') == std::string::npos);
  CHECK(read_by("bash", line) == words);
}

TEST_CASE("a shell reads words of random bytes back", "[unit][launch]") {
  std::mt19937 random(20261);
  const std::string nasty = "'\"\\$`!*?[]{}()<>|&;#~= \t\n\r-a0\x01\x7f";
  Words words;
  for (int i = 0; i < 2000; ++i) {
    std::string word;
    for (size_t length = random() % 12; word.size() < length;)
      word += random() % 4 == 0 ? static_cast<char>(1 + random() % 255)
                                : nasty[random() % nasty.size()];
    words.push_back(word);
  }
  CHECK(read_by("bash", shell_line(words)) == words);
}

TEST_CASE("words without control characters are those of any POSIX shell", "[unit][launch]") {
  const Words words = {"",    "it's", "$HOME", "`id`", "a\"b", "~",
                       "x y", "*",    "!",     "\\",   "#x",   "日本"};
  CHECK(read_by("sh", shell_line(words)) == words);
}

TEST_CASE("plain words stay as they are", "[unit][launch]") {
  CHECK(shell_line(Words{"--lr=1e-3", "run/ckpt_1.5", "949,50,1"}) ==
        "--lr=1e-3 run/ckpt_1.5 949,50,1");
  CHECK(shell_word("PATH=x") == "'PATH=x'");  // would be an assignment
  CHECK(shell_word("a'b") == "'a'\\''b'");
  CHECK(shell_word("a\nb") == "$'a\\012b'");
}

TEST_CASE("a command has each flag on a line of its own and stays one command", "[unit][launch]") {
  const Words words = {"program", "--save", "a b", "--data-path", "1", "x", "--mock-data"};
  const std::string command = shell_command(words, "  ");
  CHECK(command == "program \\\n  --save 'a b' \\\n  --data-path 1 x \\\n  --mock-data");
  CHECK(read_by("bash", command) == words);
}
