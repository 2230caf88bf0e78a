#include "checkpoint/manifest.h"

#include <catch2/catch.hpp>
#include <functional>

#include "base/content_hash.h"

using namespace swallow;

namespace {

const std::string kHash(32, 'a');

StoredPiece piece(StateKind kind, CanonicalRange range, const std::string& key) {
  return {.kind = kind,
          .dtype = kind == StateKind::weight ? DType::bf16 : DType::f32,
          .range = range,
          .file = "rank-00000.safetensors",
          .key = key,
          .hash = kHash};
}

/// A [4, 6] tensor: weights in two blocks of columns, state in ranges of two blocks of rows.
Manifest sample() {
  Manifest manifest;
  manifest.state = {.iteration = 12,
                    .consumed_train_samples = 96,
                    .consumed_valid_samples = 3,
                    .config_json = R"({"a":1,"lr":1e-05})",
                    .dp = 2,
                    .tp = 2,
                    .pp = 1,
                    .build = "0.1 (abc)",
                    .config_digest = "0123456789abcdef"};
  manifest.files["rank-00000.safetensors"] = {.size = 100000, .header_hash = kHash};
  StoredTensor& tensor = manifest.tensors["model.w"];
  tensor.shape = {4, 6};
  tensor.pieces = {piece(StateKind::weight, {0, 4, 0, 2, 0, 8}, "w0"),
                   piece(StateKind::weight, {0, 4, 2, 6, 0, 16}, "w1")};
  for (const StateKind kind : {StateKind::master, StateKind::exp_avg, StateKind::exp_avg_sq}) {
    const std::string key(name_of(kind));
    tensor.pieces.push_back(piece(kind, {0, 2, 0, 6, 0, 5}, key + "0"));
    tensor.pieces.push_back(piece(kind, {0, 2, 0, 6, 5, 12}, key + "1"));
    tensor.pieces.push_back(piece(kind, {2, 4, 0, 6, 0, 12}, key + "2"));
  }
  return manifest;
}

std::string verdict(const std::string& text) {
  try {
    parse_manifest(std::as_bytes(std::span(text)), "m");
    return "";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

/// Changes the text and gives it a good hash again, as a hostile writer would.
std::string changed(const std::string& from, const std::string& to,
                    std::string text = manifest_text(sample())) {
  const size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  text.replace(at, from.size(), to);
  const size_t tail = text.rfind(",\n \"xxh3_128\"");
  text.resize(tail);
  const std::string hash = content_hash(std::as_bytes(std::span(text)));
  return text + ",\n \"xxh3_128\": \"" + hash + "\"\n}\n";
}

}  // namespace

TEST_CASE("a manifest reads back equal", "[unit]") {
  const Manifest manifest = sample();
  const std::string text = manifest_text(manifest);
  const Manifest read = parse_manifest(std::as_bytes(std::span(text)), "m");
  CHECK(manifest_text(read) == text);
  CHECK(read.state.iteration == 12);
  CHECK(read.state.consumed_train_samples == 96);
  CHECK(read.state.consumed_valid_samples == 3);
  CHECK(read.state.config_json == R"({"a":1,"lr":1e-05})");
  CHECK(read.state.dp == 2);
  CHECK(read.state.tp == 2);
  CHECK(read.state.pp == 1);
  CHECK(read.state.build == "0.1 (abc)");
  CHECK(read.state.config_digest == "0123456789abcdef");
  CHECK(read.tensors.at("model.w").pieces[3].range == CanonicalRange{0, 2, 0, 6, 5, 12});
  CHECK(has_kind(read, StateKind::master));
}

TEST_CASE("a manifest of the first schema, without build and digest, is still read", "[unit]") {
  const std::string text =
      changed(",\"build\":\"0.1 (abc)\",\"config_digest\":\"0123456789abcdef\"", "",
              changed("\"schema_version\": 2", "\"schema_version\": 1"));
  const Manifest read = parse_manifest(std::as_bytes(std::span(text)), "m");
  CHECK(read.state.iteration == 12);
  CHECK(read.state.consumed_train_samples == 96);
  CHECK(read.state.build.empty());
}

TEST_CASE("any flipped bit and any cut of a manifest is noticed", "[unit]") {
  const std::string text = manifest_text(sample());
  for (size_t i = 0; i < text.size() * 8; i += 3) {
    std::string damaged = text;
    damaged[i / 8] = static_cast<char>(damaged[i / 8] ^ (1 << (i % 8)));
    INFO("bit " << i);
    REQUIRE(verdict(damaged) != "");
  }
  for (size_t length = 0; length < text.size(); ++length)
    REQUIRE(verdict(text.substr(0, length)) != "");
  REQUIRE(verdict(text + " ") != "");
}

TEST_CASE("a manifest with a good hash is still checked field by field", "[unit]") {
  const struct {
    const char *from, *to, *reason;
  } cases[] = {
      {"\"schema_version\": 2", "\"schema_version\": 3", "another version"},
      {"\"schema_version\": 2", "\"schema_version\": 0", "another version"},
      {"\"schema_version\": 2", "\"schema_version\": 1", "unknown field \"build\""},
      {",\"config_digest\":\"0123456789abcdef\"", "", "\"config_digest\" is missing"},
      {"\"format\": \"swallow-train checkpoint\"", "\"format\": \"x\"", "\"format\" must be"},
      {"\"iteration\":12", "\"iteration\":-1", "\"iteration\" must be"},
      {"\"iteration\":12", "\"iteration\":1.0", "\"iteration\" must be"},
      {"\"iteration\":12", "\"iteration\":12,\"x\":0", "unknown field \"x\""},
      {"\"iteration\":12,", "", "\"iteration\" is missing"},
      {"\"iteration\":12", "\"iteration\":12,\"iteration\":12", "appears twice"},
      {"\"dp\":2", "\"dp\":0", "\"dp\" must be"},
      {"\"config\": {", "\"config\": 3, \"other\": {", "\"config\" must be"},
      {"  \"rank-00000.safetensors\":", "  \"../rank-00000.safetensors\":", "plain name"},
      {"  \"rank-00000.safetensors\":", "  \"..\":", "plain name"},
      {"  \"rank-00000.safetensors\":", "  \"\":", "plain name"},
      {"  \"rank-00000.safetensors\":", "  \"a\\\\b\":", "plain name"},
      {"  \"rank-00000.safetensors\":", "  \"a\\u0000\":", "plain name"},
      {"  \"rank-00000.safetensors\":", "  \"rank-00001.safetensors\":", "is not listed"},
      {"\"file\":\"rank-00000.safetensors\"", "\"file\":\"other\"", "is not listed"},
      {"\"size\":100000", "\"size\":336", "is listed with 336 bytes"},
      {"{\n  \"rank-00000",
       "{\n\"x\":{\"size\":9,\"header_xxh3_128\":\"00000000000000000000000000"
       "000000\"},\n  \"rank-00000",
       "listed with 0 bytes"},
      {"\"kind\":\"master\"", "\"kind\":\"momentum\"", "one of weight, master"},
      {"\"dtype\":\"BF16\"", "\"dtype\":\"F16\"", "one of F32, BF16, F64"},
      {"\"dtype\":\"BF16\"", "\"dtype\":\"F32\"", "different types"},
      {"\"xxh3_128\":\"a", "\"xxh3_128\":\"A", "hexadecimal"},
      {"\"shape\": [4,6]", "\"shape\": []", "\"shape\" must be"},
      {"\"shape\": [4,6]", "\"shape\": [4,0]", "\"shape\" must be"},
      {"\"shape\": [4,6]", "\"shape\": [4,6,1]", "\"shape\" must be"},
      {"\"shape\": [4,6]", "\"shape\": [4294967296,4294967296]", "\"shape\" must be"},
      {"\"shape\": [4,6]", "\"shape\": [4,5]", "\"columns\" must be"},
      {"\"shape\": [4,6]", "\"shape\": [4,7]", "24 of 28 elements"},
      {"\"key\":\"w1\"", "\"key\":\"w0\"", "used twice"},
      {"\"rows\":[0,4]", "\"rows\":[4,4]", "\"rows\" must be"},
      {"\"range\":[0,8]", "\"range\":[0,9]", "\"range\" must be"},
      {"\"range\":[0,8]", "\"range\":[0,7]", "are missing"},
      {"\"range\":[0,8]", "\"range\":[1,8]", "are missing"},
      {"\"columns\":[2,6],\"range\":[0,16]", "\"columns\":[1,5],\"range\":[0,16]", "stored twice"},
      {"\"range\":[5,12]", "\"range\":[4,12]", "stored twice"},
      {"\"range\":[5,12]", "\"range\":[6,12]", "missing"},
      {"\"kind\":\"exp_avg\"", "\"kind\":\"weight\"", "different types"},
  };
  for (const auto& c : cases) {
    INFO(c.from << " -> " << c.to);
    CHECK_THAT(verdict(changed(c.from, c.to)), Catch::Contains(c.reason));
  }
}

TEST_CASE("optimizer state is stored whole or not at all", "[unit]") {
  Manifest manifest = sample();
  std::erase_if(manifest.tensors["model.w"].pieces,
                [](const StoredPiece& p) { return p.kind == StateKind::exp_avg; });
  CHECK_THROWS_WITH(check_manifest(manifest, "m"), Catch::Contains("exp_avg: missing"));
  std::erase_if(manifest.tensors["model.w"].pieces,
                [](const StoredPiece& p) { return p.kind != StateKind::weight; });
  CHECK_NOTHROW(check_manifest(manifest, "m"));
  CHECK_FALSE(has_kind(manifest, StateKind::master));
  manifest.tensors["model.w"].pieces.clear();
  CHECK_THROWS_WITH(check_manifest(manifest, "m"), Catch::Contains("weight: missing"));
}
