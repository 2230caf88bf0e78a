// The messages of the control connections: a fixed header, then at most 16 MiB. The first words are
// checked before anything else is believed, because anybody may connect to an open port.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "launch/socket.h"

namespace swallow {

constexpr uint32_t kMostMessageBytes = 16U << 20;

enum class MessageType : uint16_t {
  challenge = 1,  ///< server -> rank: which run this is, and prove that you belong to it
  greeting,       ///< rank -> server: the proof, and who I am
  accepted,       ///< server -> rank: my proof; wait for the others
  refused,        ///< server -> rank: you do not know the secret
  table,          ///< server -> rank: all have come (launch/rank_table.h)
  blob,           ///< rank -> server: my part of an exchange
  sizes,          ///< server -> rank: bytes of each rank's blob (u32), and then all blobs unframed
  abort,          ///< both ways: an exit code and the reason
  goodbye,        ///< rank -> server: I leave because I am done
  status,         ///< rank -> server: what I am about (launch/rank_status.h)
};

/// As on the wire. All hosts of a job run the same program on the same kind of processor.
struct MessageHeader {
  uint32_t magic = 0;
  uint16_t version = 0;
  uint16_t type = 0;
  uint32_t length = 0;  // bytes that follow
};
static_assert(sizeof(MessageHeader) == 12);

struct Message {
  MessageType type{};
  std::string payload;
};

enum class HeaderFault : uint8_t { none, stranger, other_version };

/// Whether a header is one of ours.
HeaderFault check_header(const MessageHeader& header);
std::string encode_message(MessageType type, std::string_view payload);
/// Throws CommError when the peer sends no valid message in time or closes the connection.
Message receive_message(const Socket& socket, Deadline deadline);

/// Texts as length and bytes each, and back; nothing when the bytes are no such list.
std::string encode_texts(const std::vector<std::string>& texts);
std::optional<std::vector<std::string>> decode_texts(std::string_view bytes);

/// The payload of an abort: the exit code in a byte, then the reason.
std::string encode_failure(ExitCode code, std::string_view reason);
/// Throws what an abort's payload says, as ConfigError, ResourceError or CommError.
[[noreturn]] void throw_failure(std::string_view payload);

}  // namespace swallow
