// Proofs that the other end of a connection knows the job's secret, without sending it:
// HMAC-SHA256 (RFC 2104) over fresh random bytes of both ends.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>

namespace swallow {

constexpr size_t kProofBytes = 32;
constexpr size_t kNonceBytes = 32;

/// Unpredictable bytes. Throws ResourceError when the system has none.
std::string random_bytes(size_t count);

/// kProofBytes over the parts, each preceded by its length, so that no other division into parts
/// gives the same.
std::string proof_of(std::string_view secret, std::initializer_list<std::string_view> parts);

/// Compares in a time that does not tell where the first difference is.
bool same_proof(std::string_view a, std::string_view b);

}  // namespace swallow
