// How the two ends of a control connection prove to each other that they know the job's secret,
// before either believes a word of the other's:
//   rank 0 -> rank   challenge: a tag of the run, a nonce
//   rank -> rank 0   greeting:  a nonce, a proof over both nonces and what follows, the Greeting
//   rank 0 -> rank   accepted:  a proof over both nonces
// The nonces are fresh, so nothing that was overheard can be said again.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace swallow {

/// The payload of a challenge.
struct Challenge {
  std::string run_tag;  // tells runs apart without telling their names
  std::string nonce;

  /// With a fresh nonce.
  static Challenge of_run(std::string_view run_id);
  [[nodiscard]] bool is_of_run(std::string_view run_id) const;

  [[nodiscard]] std::string encode() const;
  /// Nothing when the bytes are no challenge.
  static std::optional<Challenge> decode(std::string_view bytes);
};

/// The payload of a greeting.
std::string sign_greeting(std::string_view secret, const Challenge& challenge,
                          std::string_view own_nonce, std::string_view greeting);

struct SignedGreeting {
  std::string nonce;
  std::string greeting;
};
/// Nothing when the sender has not proved that it knows the secret.
std::optional<SignedGreeting> check_greeting(std::string_view secret, const Challenge& challenge,
                                             std::string_view payload);

/// The payload of `accepted`.
std::string sign_welcome(std::string_view secret, const Challenge& challenge,
                         std::string_view rank_nonce);
bool check_welcome(std::string_view secret, const Challenge& challenge, std::string_view rank_nonce,
                   std::string_view payload);

}  // namespace swallow
