// A manifest is refused, or comes back the same when it is written again. The input is the text
// before the hash at its end, which random changes would never hit.
#include <string>

#include "base/content_hash.h"
#include "checkpoint/manifest.h"
#include "fuzz/fuzz_target.h"

using namespace swallow;

namespace {

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  (void)fuzz::accepted([&] { (void)parse_manifest(fuzz::bytes_of(data, size), "input"); });
  std::string text(fuzz::text_of(data, size));
  const std::string hash = content_hash(bytes_of(text));
  text += ",\n \"xxh3_128\": \"" + hash + "\"\n}\n";
  Manifest manifest;
  if (!fuzz::accepted([&] { manifest = parse_manifest(bytes_of(text), "input"); })) return 0;
  fuzz::require(manifest.hash == hash);
  const std::string written = manifest_text(manifest);
  fuzz::require(manifest_text(parse_manifest(bytes_of(written), "again")) == written);
  return 0;
}
