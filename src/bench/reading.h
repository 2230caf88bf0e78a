// What a node check has found out, before anybody judges it.
#pragma once

#include <string>
#include <vector>

namespace swallow {

/// A number that was measured, about one rank or about all that took part.
struct Reading {
  std::string what;        // "product bf16"
  std::string unit;        // "TFLOPS"
  std::string among;       // compared with those of equal `what` and `among`: "within a host"
  std::vector<int> ranks;  // ascending
  double value = 0;        // kept up over a pass of many calls, in the better of two passes
  double best = 0;         // of a single part of a pass
  bool less_is_better = false;
  friend bool operator==(const Reading&, const Reading&) = default;
};

/// A result that is not what it must be, whatever its speed.
struct WrongResult {
  std::string what;        // for a person
  std::vector<int> ranks;  // where the fault may lie
  friend bool operator==(const WrongResult&, const WrongResult&) = default;
};

}  // namespace swallow
