#include "launch/job_secret.h"

#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "base/check.h"
#include "launch/handshake.h"
#include "launch/proof.h"
#include "support/scratch_folder.h"

using Catch::Contains;
using swallow::Challenge;
using swallow::ConfigError;
using swallow::find_job_secret;
using swallow::JobSecret;

namespace {

swallow::EnvironmentLookup environment(const std::map<std::string, std::string>& variables) {
  return [variables](std::string_view name) -> std::optional<std::string> {
    const auto found = variables.find(std::string(name));
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
}

std::string hexadecimal(const std::string& bytes) {
  std::string text;
  for (const char byte : bytes) text += fmt::format("{:02x}", static_cast<unsigned char>(byte));
  return text;
}

}  // namespace

TEST_CASE("a proof is the HMAC-SHA256 of its parts with their lengths", "[unit]") {
  // By Python's hmac: key "key", message = 5 as u64, "hello", 0 as u64.
  CHECK(hexadecimal(swallow::proof_of("key", {"hello", ""})) ==
        "2c3e2ab1a770c7668d15b8f19ab38e9039e53d3934b57b110dac5ebb5462e339");
  CHECK(swallow::proof_of("key", {"ab", "c"}) != swallow::proof_of("key", {"a", "bc"}));
  CHECK(swallow::proof_of("", {"a"}) == swallow::proof_of({}, {"a"}));
  CHECK(swallow::proof_of("", {"a"}) != swallow::proof_of("key", {"a"}));
}

TEST_CASE("a greeting is taken from whoever knows the secret, and only as it was said", "[unit]") {
  const Challenge challenge = Challenge::of_run("run");
  const std::string nonce = swallow::random_bytes(swallow::kNonceBytes);
  const std::string said = sign_greeting("secret", challenge, nonce, "hello");
  const auto heard = check_greeting("secret", challenge, said);
  REQUIRE(heard);
  CHECK(heard->greeting == "hello");
  CHECK(heard->nonce == nonce);
  CHECK(!check_greeting("another", challenge, said));
  CHECK(!check_greeting("secret", Challenge::of_run("run"), said));  // said again elsewhere
  for (size_t i = 0; i < said.size(); ++i) {
    std::string changed = said;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    CAPTURE(i);
    CHECK(!check_greeting("secret", challenge, changed));
  }
  for (const size_t size : {size_t{0}, size_t{63}})
    CHECK(!check_greeting("secret", challenge, said.substr(0, size)));

  const std::string welcome = sign_welcome("secret", challenge, nonce);
  CHECK(check_welcome("secret", challenge, nonce, welcome));
  CHECK(!check_welcome("another", challenge, nonce, welcome));
  CHECK(!check_welcome("secret", challenge, swallow::random_bytes(32), welcome));
  CHECK(!check_welcome("secret", challenge, nonce, ""));
}

TEST_CASE("a challenge tells runs apart and comes back from its bytes", "[unit]") {
  const Challenge challenge = Challenge::of_run("run");
  CHECK(challenge.is_of_run("run"));
  CHECK(!challenge.is_of_run("other"));
  const auto decoded = Challenge::decode(challenge.encode());
  REQUIRE(decoded);
  CHECK(decoded->run_tag == challenge.run_tag);
  CHECK(decoded->nonce == challenge.nonce);
  CHECK(!Challenge::decode(challenge.encode() + "x"));
  CHECK(!Challenge::decode(""));
  CHECK(Challenge::of_run("run").nonce != challenge.nonce);
}

TEST_CASE("the secret comes from SWALLOW_SECRET where it is set", "[unit]") {
  const JobSecret secret = find_job_secret(environment({{"SWALLOW_SECRET", "0123456789abcdef"}}));
  CHECK(secret.bytes == "0123456789abcdef");
  CHECK(secret.origin == "SWALLOW_SECRET");
  CHECK(secret.notice.empty());
  REQUIRE_THROWS_WITH(find_job_secret(environment({{"SWALLOW_SECRET", "short"}})),
                      Contains("SWALLOW_SECRET") && Contains("5 characters") && Contains("16"));
}

TEST_CASE("the ranks of a user share a key file that one of them makes", "[unit]") {
  const swallow::test::ScratchFolder folder;
  const auto lookup = environment({{"HOME", folder.path().string()}});
  std::vector<JobSecret> secrets(16);
  std::vector<std::thread> ranks;
  for (JobSecret& secret : secrets)
    ranks.emplace_back([&secret, &lookup] { secret = find_job_secret(lookup); });
  for (std::thread& rank : ranks) rank.join();
  for (const JobSecret& secret : secrets) {
    CHECK(secret.bytes.size() == 64);
    CHECK(secret.bytes == secrets[0].bytes);
    CHECK(secret.notice.empty());
  }
  const std::filesystem::path file = folder.path() / ".config/swallow-train/rendezvous.key";
  CHECK(secrets[0].origin == file.string());
  CHECK(std::filesystem::status(file).permissions() ==
        (std::filesystem::perms::owner_read | std::filesystem::perms::owner_write));
  // Nothing half made is left.
  CHECK(std::distance(std::filesystem::directory_iterator(file.parent_path()), {}) == 1);
}

TEST_CASE("a key file that others may read or that holds too little is refused", "[unit]") {
  const swallow::test::ScratchFolder folder;
  const auto lookup = environment({{"XDG_CONFIG_HOME", folder.path().string()}});
  const std::filesystem::path file = folder.path() / "swallow-train/rendezvous.key";
  std::filesystem::create_directories(file.parent_path());
  std::ofstream(file) << "0123456789abcdef0123456789abcdef";
  ::chmod(file.c_str(), 0640);
  REQUIRE_THROWS_WITH(find_job_secret(lookup), Contains(file.string()) && Contains("chmod 600"));
  ::chmod(file.c_str(), 0600);
  CHECK(find_job_secret(lookup).bytes == "0123456789abcdef0123456789abcdef");
  std::ofstream(file) << "short";
  REQUIRE_THROWS_WITH(find_job_secret(lookup), Contains("5 bytes"));
  std::filesystem::remove(file);
  std::filesystem::create_symlink("/dev/zero", file);
  REQUIRE_THROWS_AS(find_job_secret(lookup), ConfigError);
}

TEST_CASE("without a home there is no secret, and that is said", "[unit]") {
  for (const JobSecret& secret : {find_job_secret(environment({})),
                                  find_job_secret(environment({{"HOME", "/proc/no/home"}}))}) {
    CHECK(secret.bytes.empty());
    CHECK_THAT(secret.notice, Contains("SWALLOW_SECRET"));
  }
}
