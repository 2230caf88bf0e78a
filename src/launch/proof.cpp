#include "launch/proof.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

#include "base/check.h"

namespace swallow {

std::string random_bytes(size_t count) {
  std::string bytes(count, '\0');
  for (size_t done = 0; done < count;) {
    const ssize_t got = getrandom(bytes.data() + done, count - done, 0);
    if (got < 0 && errno != EINTR) throw ResourceError("getrandom: {}", std::strerror(errno));
    if (got > 0) done += static_cast<size_t>(got);
  }
  return bytes;
}

std::string proof_of(std::string_view secret, std::initializer_list<std::string_view> parts) {
  std::string message;
  for (const std::string_view part : parts) {
    const auto length = static_cast<uint64_t>(part.size());
    message.append(reinterpret_cast<const char*>(&length), sizeof length);
    message += part;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  // An empty key would be a null pointer, which asks HMAC for the key of an earlier call.
  const char* key = secret.empty() ? "" : secret.data();
  const auto* data = reinterpret_cast<const unsigned char*>(message.data());
  if (HMAC(EVP_sha256(), key, static_cast<int>(secret.size()), data, message.size(), digest.data(),
           &size) == nullptr)
    throw ResourceError("HMAC-SHA256 is not to be had from this machine's OpenSSL");
  SWALLOW_CHECK(size == kProofBytes, "an HMAC-SHA256 of {} bytes", size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

bool same_proof(std::string_view a, std::string_view b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

}  // namespace swallow
