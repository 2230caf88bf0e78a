// Read back by a decoder of its own, written from the formats' descriptions: records of TFRecord,
// checksums bit by bit, messages by the wire format alone.
#include "telemetry/event_file.h"

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>
#include <vector>

#include "base/crc32c.h"
#include "support/scratch_folder.h"
#include "telemetry/metrics_log.h"

using namespace swallow;
namespace fs = std::filesystem;

namespace {

uint32_t crc_bit_by_bit(const std::string& bytes) {
  uint32_t crc = 0xffffffff;
  for (const char c : bytes)
    for (int bit = 0; bit < 8; ++bit) {
      const uint32_t in = (static_cast<unsigned char>(c) >> bit) & 1U;
      crc = (crc >> 1U) ^ (((crc & 1U) ^ in) != 0 ? 0x82f63b78U : 0U);
    }
  return crc ^ 0xffffffff;
}

uint64_t number(const std::string& bytes, size_t at, size_t width) {
  uint64_t value = 0;
  for (size_t i = 0; i < width; ++i)
    value |= static_cast<uint64_t>(static_cast<unsigned char>(bytes.at(at + i))) << (8 * i);
  return value;
}

void require_checksum(const std::string& bytes, uint64_t stored) {
  const auto unmasked = static_cast<uint32_t>(stored) - 0xa282ead8U;
  REQUIRE(((unmasked << 15U) | (unmasked >> 17U)) == crc_bit_by_bit(bytes));
}

/// Every message of a file.
std::vector<std::string> records(const std::string& file) {
  std::vector<std::string> messages;
  for (size_t at = 0; at < file.size();) {
    const uint64_t length = number(file, at, 8);
    require_checksum(file.substr(at, 8), number(file, at + 8, 4));
    messages.push_back(file.substr(at + 12, length));
    REQUIRE(messages.back().size() == length);
    require_checksum(messages.back(), number(file, at + 12 + length, 4));
    at += 12 + length + 4;
  }
  return messages;
}

/// The fields of a message by number; numbers as their bits, the rest as bytes.
struct Fields {
  std::multimap<uint64_t, uint64_t> numbers;
  std::multimap<uint64_t, std::string> texts;

  explicit Fields(const std::string& message) {
    size_t at = 0;
    const auto varint = [&] {
      uint64_t value = 0;
      for (int shift = 0;; shift += 7) {
        const auto byte = static_cast<unsigned char>(message.at(at++));
        value |= static_cast<uint64_t>(byte & 0x7fU) << shift;
        if (byte < 0x80) return value;
      }
    };
    while (at < message.size()) {
      const uint64_t key = varint();
      const uint64_t field = key >> 3U;
      const uint64_t type = key & 7U;
      REQUIRE((type == 0 || type == 1 || type == 2 || type == 5));
      if (type == 0) {
        numbers.emplace(field, varint());
      } else if (type == 2) {
        const uint64_t length = varint();
        texts.emplace(field, message.substr(at, length));
        REQUIRE(at + length <= message.size());
        at += length;
      } else {
        const size_t width = type == 1 ? 8 : 4;
        numbers.emplace(field, number(message, at, width));
        at += width;
      }
    }
  }
  [[nodiscard]] uint64_t one(uint64_t field) const {
    REQUIRE(numbers.count(field) == 1);
    return numbers.find(field)->second;
  }
  [[nodiscard]] Fields in(uint64_t field) const {
    REQUIRE(texts.count(field) == 1);
    return Fields(texts.find(field)->second);
  }
  [[nodiscard]] std::string text(uint64_t field) const {
    REQUIRE(texts.count(field) == 1);
    return texts.find(field)->second;
  }
};

std::vector<fs::path> files_of(const std::string& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(folder)) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  return files;
}

std::vector<Fields> events(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  std::vector<Fields> result;
  for (const std::string& message : records(bytes.str())) result.emplace_back(message);
  return result;
}

/// Scalars of an event by tag.
std::map<std::string, float> scalars(const Fields& event) {
  std::map<std::string, float> result;
  const Fields summary = event.in(5);
  for (auto [it, end] = summary.texts.equal_range(1); it != end; ++it) {
    const Fields value(it->second);
    result[value.text(1)] = std::bit_cast<float>(static_cast<uint32_t>(value.one(2)));
  }
  return result;
}

StepMetrics step(int64_t n) {
  return {.step = n,
          .loss = 1.0 / static_cast<double>(n),
          .grad_norm = 0.5,
          .lr = 1e-4,
          .seconds = 0.25,
          .samples = 8,
          .tokens = 256,
          .consumed_samples = 8 * n};
}

MetricsLogOptions options(const std::string& folder) {
  return {.terminal = true,
          .tensorboard_dir = folder,
          .log_interval = 2,
          .train_iters = 100,
          .model = {2, 64, 176, 4, 2, 16, 512, 32}};
}

}  // namespace

TEST_CASE("CRC-32C gives the published values", "[unit]") {
  CHECK(crc32c("123456789") == 0xe3069283);
  CHECK(crc32c(std::string(32, '\0')) == 0x8a9136aa);  // RFC 3720, B.4
  CHECK(crc32c(std::string(32, '\xff')) == 0x62a8ab43);
  CHECK(crc32c("") == 0);
}

TEST_CASE("an event file holds the run's numbers under Megatron's tags", "[unit][telemetry]") {
  const test::ScratchFolder scratch;
  std::ostringstream console;
  MetricsLog log(options(scratch / "board"), console);
  log.write_run(R"({"lr": 0.1})");
  CHECK_FALSE(fs::exists(scratch / "board"));  // the first step is not known yet
  log.write(step(1));
  log.write(step(2));
  log.write(ValidationMetrics{.step = 2, .loss = 2.0});
  log.write(TestMetrics{{.step = 2, .loss = 1.0}});

  const auto files = files_of(scratch / "board");
  REQUIRE(files.size() == 1);
  CHECK_THAT(files[0].filename().string(), Catch::StartsWith("events.out.tfevents."));
  const auto all = events(files[0]);
  REQUIRE(all.size() == 7);
  for (const Fields& event : all) {
    CHECK(std::bit_cast<double>(event.one(1)) > 1.6e9);
    CHECK(event.one(2) <= 2);
  }
  CHECK(all[0].text(3) == "brain.Event:2");
  CHECK(all[1].in(7).one(1) == 1);  // SessionLog.START
  CHECK(all[1].one(2) == 1);
  const Fields text = all[2].in(5).in(1);
  CHECK(text.text(1) == "config");
  CHECK(text.in(9).in(1).text(1) == "text");
  CHECK(text.in(8).one(1) == 7);  // DT_STRING
  CHECK_THAT(text.in(8).text(8), Catch::Contains(R"({"lr": 0.1})"));
  const auto first = scalars(all[3]);
  CHECK(all[3].one(2) == 1);
  CHECK(first.size() == 6);
  CHECK(first.at("lm loss") == 1.0F);
  CHECK(first.at("learning-rate") == 1e-4F);
  CHECK(first.at("grad-norm") == 0.5F);
  CHECK(first.at("batch-size") == 8.0F);
  CHECK(first.at("iteration-time") == 0.25F);
  CHECK(first.at("throughput") > 0);
  CHECK(all[4].one(2) == 2);
  CHECK(scalars(all[4]).at("lm loss") == 0.5F);
  CHECK(scalars(all[5]).at("lm loss validation") == 2.0F);
  CHECK(scalars(all[5]).at("lm loss validation ppl") == Approx(std::exp(2.0)));
  CHECK(scalars(all[6]).at("lm loss test") == 1.0F);
}

TEST_CASE("steps are on the disk with every log interval", "[unit][telemetry]") {
  const test::ScratchFolder scratch;
  EventFile file(scratch / "board", 2);
  file.write(step(1), 1.0);
  file.write(step(2), 1.0);
  const auto files = files_of(scratch / "board");
  REQUIRE(files.size() == 1);
  CHECK(events(files[0]).size() == 4);
}

TEST_CASE("a resumed run opens a file that says where it goes on", "[unit][telemetry]") {
  const test::ScratchFolder scratch;
  for (const int64_t begin : {1, 4}) {
    EventFile file(scratch / "board", 1);
    for (int64_t n = begin; n < begin + 5; ++n) file.write(step(n), 1.0);
  }
  const auto files = files_of(scratch / "board");
  REQUIRE(files.size() == 2);
  const auto second = events(files[1]);
  CHECK(second[1].in(7).one(1) == 1);
  CHECK(second[1].one(2) == 4);  // steps 4 and 5 of the first file count no more
  CHECK(second[2].one(2) == 4);
}

TEST_CASE("an event file that cannot be written is told of and given up", "[unit][telemetry]") {
  std::ostringstream console;
  MetricsLog log(options("/proc/no-such-folder"), console);
  for (int64_t n = 1; n <= 3; ++n) log.write(step(n));
  const std::string text = console.str();
  CHECK_THAT(text, Catch::Contains("warning: writing /proc/no-such-folder/events.out.tfevents."));
  CHECK(text.find("warning") == text.rfind("warning"));
  CHECK_THAT(text, Catch::Contains("   2/100"));
}
