// Flags that old Megatron run scripts carry and that are no options here: shorthands for an option,
// flags that change nothing, and flags that would change the maths. So a Swallow script runs after
// the name of the program is replaced, and none is ignored where that would matter.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace swallow {

enum class Arity : uint8_t { none, one, many };

/// What a Shorthand's `value` says to turn a switch on.
constexpr std::string_view kOn = "on";

/// Another spelling of an option. Without a `value` of its own it takes one from the command line.
struct Shorthand {
  std::string_view name;  // without the leading dashes
  std::string_view key;
  std::string_view value;
  bool wins = false;          // over the option's own flag, as in Megatron; else both must agree
  std::string_view notice{};  // what the user should know of it, or empty
};

/// A flag without meaning here. A value outside `accepts`, a list split by '|' (empty: all), is an
/// error; so is the flag itself where `refusal` says why.
struct ForeignFlag {
  std::string_view name;  // without the leading dashes
  Arity arity;
  std::string_view accepts;
  std::string_view refusal;
};

/// A name that other trainers use for one of our flags, for hints only.
struct OtherName {
  std::string_view theirs;  // as nearest_name sees it: dashes, no leading ones
  std::string_view ours;
};

std::span<const Shorthand> shorthands();
std::span<const ForeignFlag> foreign_flags();
std::span<const OtherName> other_names();

/// Throws ConfigError if this flag with these values would change the maths.
void check_foreign_flag(const ForeignFlag& flag, const std::vector<std::string>& values);

}  // namespace swallow
