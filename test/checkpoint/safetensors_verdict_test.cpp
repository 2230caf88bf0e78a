// The verdicts of the Python package `safetensors` on good and hostile files, recorded by
// scripts/make_safetensors_verdicts.py.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <nlohmann/json.hpp>

#include "checkpoint/tensor_file.h"
#include "support/golden.h"

using namespace swallow;

namespace {

std::string bytes_of_hex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i < hex.size(); i += 2)
    bytes.push_back(static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16)));
  return bytes;
}

/// "" when the file is accepted.
std::string our_verdict(const nlohmann::json& item) {
  const std::string header = bytes_of_hex(item.at("header"));
  const uint64_t length =
      item.contains("length") ? item.at("length").get<uint64_t>() : uint64_t{header.size()};
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  bytes += header + std::string(item.at("data").get<size_t>(), '\0');
  try {
    parse_tensor_header(std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()), "f");
    return "";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

/// Where we are stricter on purpose: limits of size, what an attacker or an accident would leave
/// ambiguous, and types of which no weight is.
constexpr const char* kStricter[] = {
    "appears twice",
    "unknown field",
    "unknown dtype",
    "longer than 512 bytes",
    "an array of at most 8 integers",
    "must be a string",
    "expected a JSON object",
    "only spaces may follow",
    "must begin with '{'",
    "zero byte in JSON text",
};

}  // namespace

TEST_CASE(
    "no file is accepted that the safetensors package refuses, and the reverse for a listed "
    "reason only",
    "[unit][golden]") {
  const auto json = nlohmann::json::parse(test::read_golden_file("safetensors_verdicts.json"));
  int both = 0;
  int stricter = 0;
  for (const auto& item : json.at("cases")) {
    const std::string reason = our_verdict(item);
    INFO(bytes_of_hex(item.at("header")) << "\nours: " << reason);
    if (!item.at("opens")) {
      CHECK(reason != "");
    } else if (reason.empty()) {
      ++both;
    } else {
      ++stricter;
      CHECK(std::ranges::any_of(
          kStricter, [&](const char* known) { return reason.find(known) != std::string::npos; }));
    }
  }
  CHECK(both > 40);
  CHECK(stricter < both);
}
