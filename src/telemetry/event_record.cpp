#include "telemetry/event_record.h"

#include <bit>

#include "base/crc32c.h"

namespace swallow {

namespace {

// Numbers of fields, by message.
namespace event {
constexpr int kWallTime = 1, kStep = 2, kFileVersion = 3, kSummary = 5, kSessionLog = 7;
}
namespace session_log {
constexpr int kStatus = 1, kStart = 1;
}
namespace summary {
constexpr int kValue = 1;
}
namespace value {
constexpr int kTag = 1, kSimpleValue = 2, kTensor = 8, kMetadata = 9;
}
namespace metadata {
constexpr int kPluginData = 1, kPluginName = 1;
}
namespace tensor {
constexpr int kDtype = 1, kShape = 2, kStringVal = 8;
constexpr int kDtString = 7;
}  // namespace tensor

/// A protobuf message under construction (the encoding: protobuf.dev, "Encoding").
class Message {
 public:
  void varint(int field, int64_t value) {
    key(field, 0);
    raw_varint(static_cast<uint64_t>(value));
  }
  void fixed64(int field, double value) {
    key(field, 1);
    little_endian(std::bit_cast<uint64_t>(value), 8);
  }
  void bytes(int field, std::string_view value) {
    key(field, 2);
    raw_varint(value.size());
    text_ += value;
  }
  void fixed32(int field, float value) {
    key(field, 5);
    little_endian(std::bit_cast<uint32_t>(value), 4);
  }
  void little_endian(uint64_t value, int width) {
    for (int i = 0; i < width; ++i) text_ += static_cast<char>((value >> (8 * i)) & 0xffU);
  }
  [[nodiscard]] const std::string& text() const noexcept { return text_; }

 private:
  void key(int field, unsigned wire_type) {
    raw_varint(static_cast<uint64_t>(field) << 3U | wire_type);
  }
  void raw_varint(uint64_t value) {
    for (; value >= 0x80U; value >>= 7U) text_ += static_cast<char>(0x80U | (value & 0x7fU));
    text_ += static_cast<char>(value);
  }

  std::string text_;
};

Message event_at(double wall_time, int64_t step) {
  Message message;
  message.fixed64(event::kWallTime, wall_time);
  message.varint(event::kStep, step);
  return message;
}

/// So that a checksum over data that hold checksums is of use.
uint32_t masked(uint32_t crc) {
  return std::rotr(crc, 15) + 0xa282ead8U;
}

}  // namespace

std::string version_event(double wall_time) {
  Message message = event_at(wall_time, 0);
  message.bytes(event::kFileVersion, "brain.Event:2");
  return message.text();
}

std::string start_event(double wall_time, int64_t step) {
  Message log;
  log.varint(session_log::kStatus, session_log::kStart);
  Message message = event_at(wall_time, step);
  message.bytes(event::kSessionLog, log.text());
  return message.text();
}

std::string scalars_event(double wall_time, int64_t step, std::span<const Scalar> scalars) {
  Message values;
  for (const Scalar& scalar : scalars) {
    Message one;
    one.bytes(value::kTag, scalar.tag);
    one.fixed32(value::kSimpleValue, static_cast<float>(scalar.value));
    values.bytes(summary::kValue, one.text());
  }
  Message message = event_at(wall_time, step);
  message.bytes(event::kSummary, values.text());
  return message.text();
}

std::string text_event(double wall_time, int64_t step, std::string_view tag,
                       std::string_view markdown) {
  Message plugin, about, content, one, values;
  plugin.bytes(metadata::kPluginName, "text");
  about.bytes(metadata::kPluginData, plugin.text());
  content.varint(tensor::kDtype, tensor::kDtString);
  content.bytes(tensor::kShape, "");  // of no dimension
  content.bytes(tensor::kStringVal, markdown);
  one.bytes(value::kTag, tag);
  one.bytes(value::kTensor, content.text());
  one.bytes(value::kMetadata, about.text());
  values.bytes(summary::kValue, one.text());
  Message message = event_at(wall_time, step);
  message.bytes(event::kSummary, values.text());
  return message.text();
}

std::string framed(std::string_view message) {
  Message record;
  record.little_endian(message.size(), 8);
  const std::string length = record.text();
  record.little_endian(masked(crc32c(length)), 4);
  Message tail;
  tail.little_endian(masked(crc32c(message)), 4);
  return record.text() + std::string(message) + tail.text();
}

}  // namespace swallow
