// What comes over a control connection: a header is taken or not, and each payload is refused or
// comes back as it was sent.
#include <cstring>

#include "fuzz/fuzz_target.h"
#include "launch/greeting.h"
#include "launch/message.h"
#include "launch/rank_status.h"

using namespace swallow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  MessageHeader header;
  if (size >= sizeof header) {
    std::memcpy(&header, data, sizeof header);
    if (check_header(header) == HeaderFault::none)
      fuzz::require(header.length <= kMostMessageBytes);
  }
  if (const auto texts = decode_texts(bytes)) fuzz::require(encode_texts(*texts) == bytes);
  if (const auto greeting = Greeting::decode(bytes)) {
    const auto again = Greeting::decode(greeting->encode());
    fuzz::require(again && again->encode() == greeting->encode());
    fuzz::require(greeting->rank >= 0 && greeting->world_size >= 1);
  }
  if (const auto status = RankStatus::decode(bytes))
    for (const char byte : status->doing) fuzz::require(static_cast<uint8_t>(byte) >= 0x20);
  fuzz::require(!fuzz::accepted([&] { throw_failure(bytes); }));
  return 0;
}
