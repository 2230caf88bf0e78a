#include "launch/message.h"

#include <cstring>

namespace swallow {
namespace {

constexpr uint32_t kMagic = 0x574c5753;  // "SWLW"
constexpr uint16_t kVersion = 3;

}  // namespace

HeaderFault check_header(const MessageHeader& header) {
  if (header.magic != kMagic) return HeaderFault::stranger;
  if (header.version != kVersion) return HeaderFault::other_version;
  const bool known = header.type >= static_cast<uint16_t>(MessageType::challenge) &&
                     header.type <= static_cast<uint16_t>(MessageType::status);
  return known && header.length <= kMostMessageBytes ? HeaderFault::none : HeaderFault::stranger;
}

std::string encode_message(MessageType type, std::string_view payload) {
  SWALLOW_CHECK(payload.size() <= kMostMessageBytes, "a message of {} bytes; the most is {}",
                payload.size(), kMostMessageBytes);
  const MessageHeader header{.magic = kMagic,
                             .version = kVersion,
                             .type = static_cast<uint16_t>(type),
                             .length = static_cast<uint32_t>(payload.size())};
  std::string bytes(sizeof header, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  bytes += payload;
  return bytes;
}

Message receive_message(const Socket& socket, Deadline deadline) {
  MessageHeader header;
  recv_all(socket, &header, sizeof header, deadline);
  if (check_header(header) != HeaderFault::none)
    throw CommError("{} sent something that is no message of this program", socket.peer());
  Message message{.type = static_cast<MessageType>(header.type),
                  .payload = std::string(header.length, '\0')};
  recv_all(socket, message.payload.data(), message.payload.size(), deadline);
  return message;
}

std::string encode_texts(const std::vector<std::string>& texts) {
  std::string bytes;
  for (const std::string& text : texts) {
    const auto length = static_cast<uint32_t>(text.size());
    bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
    bytes += text;
  }
  return bytes;
}

std::optional<std::vector<std::string>> decode_texts(std::string_view bytes) {
  std::vector<std::string> texts;
  while (!bytes.empty()) {
    uint32_t length = 0;
    if (bytes.size() < sizeof length) return std::nullopt;
    std::memcpy(&length, bytes.data(), sizeof length);
    bytes.remove_prefix(sizeof length);
    if (bytes.size() < length) return std::nullopt;
    texts.emplace_back(bytes.substr(0, length));
    bytes.remove_prefix(length);
  }
  return texts;
}

std::string encode_failure(ExitCode code, std::string_view reason) {
  constexpr size_t kMostReason = 4096;  // an error message, not a dump
  std::string payload(1, static_cast<char>(code));
  payload += reason.substr(0, kMostReason);
  return payload;
}

void throw_failure(std::string_view payload) {
  const int code = payload.empty() ? 0 : static_cast<unsigned char>(payload.front());
  const std::string_view reason = payload.empty() ? "the job was aborted" : payload.substr(1);
  if (code == static_cast<int>(ExitCode::config)) throw ConfigError("{}", reason);
  if (code == static_cast<int>(ExitCode::resources)) throw ResourceError("{}", reason);
  throw CommError("{}", reason);
}

}  // namespace swallow
