#include "launch/handshake.h"

#include "launch/proof.h"

namespace swallow {
namespace {

std::string tag_of(std::string_view run_id) {
  return proof_of({}, {"run", run_id});
}

std::string greeting_proof(std::string_view secret, const Challenge& challenge,
                           std::string_view nonce, std::string_view greeting) {
  return proof_of(secret, {"rank", challenge.nonce, nonce, greeting});
}

}  // namespace

Challenge Challenge::of_run(std::string_view run_id) {
  return {.run_tag = tag_of(run_id), .nonce = random_bytes(kNonceBytes)};
}

bool Challenge::is_of_run(std::string_view run_id) const {
  return run_tag == tag_of(run_id);
}

std::string Challenge::encode() const {
  return run_tag + nonce;
}

std::optional<Challenge> Challenge::decode(std::string_view bytes) {
  if (bytes.size() != kProofBytes + kNonceBytes) return std::nullopt;
  return Challenge{.run_tag = std::string(bytes.substr(0, kProofBytes)),
                   .nonce = std::string(bytes.substr(kProofBytes))};
}

std::string sign_greeting(std::string_view secret, const Challenge& challenge,
                          std::string_view own_nonce, std::string_view greeting) {
  std::string payload(own_nonce);
  payload += greeting_proof(secret, challenge, own_nonce, greeting);
  payload += greeting;
  return payload;
}

std::optional<SignedGreeting> check_greeting(std::string_view secret, const Challenge& challenge,
                                             std::string_view payload) {
  if (payload.size() < kNonceBytes + kProofBytes) return std::nullopt;
  const std::string_view nonce = payload.substr(0, kNonceBytes);
  const std::string_view proof = payload.substr(kNonceBytes, kProofBytes);
  const std::string_view greeting = payload.substr(kNonceBytes + kProofBytes);
  if (!same_proof(proof, greeting_proof(secret, challenge, nonce, greeting))) return std::nullopt;
  return SignedGreeting{.nonce = std::string(nonce), .greeting = std::string(greeting)};
}

std::string sign_welcome(std::string_view secret, const Challenge& challenge,
                         std::string_view rank_nonce) {
  return proof_of(secret, {"rank 0", challenge.nonce, rank_nonce});
}

bool check_welcome(std::string_view secret, const Challenge& challenge, std::string_view rank_nonce,
                   std::string_view payload) {
  return same_proof(payload, sign_welcome(secret, challenge, rank_nonce));
}

}  // namespace swallow
