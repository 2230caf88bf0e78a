#include "checkpoint/tensor_file.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstring>
#include <fstream>

#include "base/content_hash.h"
#include "checkpoint/tiny_job.h"

using namespace swallow;

namespace {

std::string file_bytes(const std::string& header, size_t data_bytes) {
  const uint64_t length = header.size();
  std::string bytes(sizeof length, '\0');
  std::memcpy(bytes.data(), &length, sizeof length);
  return bytes + header + std::string(data_bytes, '\7');
}

/// The verdict on a file with these bytes: "" or the message.
std::string verdict(const std::string& bytes) {
  try {
    parse_tensor_header(std::as_bytes(std::span(bytes)), static_cast<int64_t>(bytes.size()), "f");
    return "";
  } catch (const CheckpointError& error) {
    return error.what();
  }
}

std::vector<std::byte> contents(const TensorFile& file, std::string_view name) {
  std::vector<std::byte> bytes;
  file.read(file.at(name), [&](std::span<const std::byte> chunk, int64_t offset) {
    REQUIRE(offset == static_cast<int64_t>(bytes.size()));
    bytes.insert(bytes.end(), chunk.begin(), chunk.end());
  });
  return bytes;
}

}  // namespace

TEST_CASE("the content hash is XXH3-128 in its canonical form", "[unit]") {
  REQUIRE(content_hash({}) == "99aa06d3014798d86001c324468d497f");  // seed 0, from the reference
  const std::string text(1000, 'a');
  ContentHash parts;
  parts.update(std::as_bytes(std::span(text)).first(333));
  parts.update(std::as_bytes(std::span(text)).subspan(333));
  REQUIRE(parts.hex() == content_hash(std::as_bytes(std::span(text))));
}

TEST_CASE("a written tensor file reads back bit for bit", "[unit]") {
  const test::ScratchFolder folder;
  // Longer than a chunk and no multiple of one.
  std::vector<float> longer(kFileChunk / 4 + 12345);
  for (size_t i = 0; i < longer.size(); ++i) longer[i] = static_cast<float>(i) * 0.37F;
  const std::vector<double> wide = {1.0, -0.0, 1e300};
  const std::vector<bfloat16> narrow = {bfloat16(1.5F), bfloat16(-2.0F), bfloat16(3.0F)};
  const std::vector<std::span<const std::byte>> contents_of = {std::as_bytes(std::span(wide)),
                                                               std::as_bytes(std::span(longer)),
                                                               std::as_bytes(std::span(narrow)),
                                                               {}};
  const auto bytes_of = [&](size_t i) {
    return [&, i](int64_t offset, int64_t bytes) {
      return contents_of[i].subspan(static_cast<size_t>(offset), static_cast<size_t>(bytes));
    };
  };
  const std::vector<TensorToWrite> tensors = {
      {"wide", NumberType::f64, {3}, bytes_of(0)},
      {"long \"name\"", NumberType::f32, {static_cast<int64_t>(longer.size())}, bytes_of(1)},
      {"narrow", NumberType::bf16, {1, 3}, bytes_of(2)},
      {"empty", NumberType::bf16, {0, 3}, bytes_of(3)},
  };
  const std::string path = folder / "a.safetensors";
  const WrittenTensorFile written = write_tensor_file(path, tensors);

  const TensorFile file(path);
  REQUIRE(file.size() == written.size);
  REQUIRE(file.header().hash == written.header_hash);
  REQUIRE(file.header().metadata.at("format") == "pt");
  REQUIRE(file.header().tensors.size() == tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    const FileTensor& tensor = file.at(tensors[i].name);
    CHECK(tensor.dtype == file_dtype(tensors[i].type));
    CHECK(tensor.shape == tensors[i].shape);
    CHECK(tensor.offset % size_of(tensors[i].type) == 0);
    const std::vector<std::byte> bytes = contents(file, tensors[i].name);
    REQUIRE(static_cast<int64_t>(bytes.size()) == tensor.bytes);
    CHECK(std::ranges::equal(bytes, contents_of[i]));
    CHECK(content_hash(bytes) == written.hashes[i]);
  }
  REQUIRE_THROWS_AS(file.at("other"), CheckpointError);
  REQUIRE_THROWS_AS(write_tensor_file(path, tensors), IoError);  // never over an existing file
}

TEST_CASE("a header that keeps every rule of the format is accepted", "[unit]") {
  const std::string good = R"({"__metadata__":{"k":"v"},)"
                           R"("b":{"dtype":"F16","shape":[2],"data_offsets":[6,10]},)"
                           R"("a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                           R"("e":{"dtype":"I64","shape":[0,5],"data_offsets":[6,6]},)"
                           R"("c":{"dtype":"I8","shape":[5,1],"data_offsets":[1,6]}}   )";
  REQUIRE(verdict(file_bytes(good, 10)) == "");
  REQUIRE(verdict(file_bytes("{}", 0)) == "");
}

TEST_CASE("a header that breaks a rule of the format is refused with the reason", "[unit]") {
  struct Case {
    const char* header;
    size_t data_bytes;
    const char* reason;
  };
  const std::string deep = R"({"a":)" + std::string(70, '[') + std::string(70, ']') + "}";
  const Case cases[] = {
      {"", 0, "must begin with '{'"},
      {" {}", 0, "must begin with '{'"},
      {"[]", 0, "must begin with '{'"},
      {"{}\n", 0, "only spaces may follow"},
      {"{}x", 0, "only spaces may follow"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})", 1, "not valid JSON"},
      {"{\"\xff\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 1, "not valid JSON"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1e999]}})", 1, "out of range"},
      {deep.c_str(), 0, "nested deeper"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})",
       1, "appears twice"},
      {R"({"a":{"dtype":"U8","dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1, "appears twice"},
      {R"({"a":{"shape":[1],"data_offsets":[0,1]}})", 1, "\"dtype\" is missing"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1],"x":0}})", 1, "unknown field"},
      {R"({"a":{"dtype":"Q4","shape":[1],"data_offsets":[0,1]}})", 1, "unknown dtype \"Q4\""},
      {R"({"a":{"dtype":8,"shape":[1],"data_offsets":[0,1]}})", 1, "must be a string"},
      {R"({"a":3})", 0, "expected a JSON object"},
      {R"({"a":{"dtype":"U8","shape":[-1],"data_offsets":[0,1]}})", 1, "\"shape\" must be"},
      {R"({"a":{"dtype":"U8","shape":[1.0],"data_offsets":[0,1]}})", 1, "\"shape\" must be"},
      {R"({"a":{"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,1]}})", 1,
       "\"shape\" must be"},
      {R"({"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,1]}})", 1,
       "\"shape\" must be"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1]}})", 1, "\"data_offsets\" must be"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1, "\"data_offsets\" must be"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1,2]}})", 1, "\"data_offsets\" must be"},
      {R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,7]}})", 7, "do not hold shape [2]"},
      {R"({"a":{"dtype":"U8","shape":[4294967296,4294967296],"data_offsets":[0,0]}})", 0,
       "do not hold shape"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})", 2, "the one before ends at"},
      {R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
       R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
       3, "the one before ends at"},
      {R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
       R"("b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}})",
       3, "the one before ends at"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 2, "beyond the file"},
      {R"({"a":{"dtype":"U8","shape":[3],"data_offsets":[0,3]}})", 4, "the tensors end at byte"},
      {R"({"a":{"dtype":"U8","shape":[9223372036854775807],"data_offsets":[0,9223372036854775807]}})",
       1, "beyond the file"},
      {R"({"__metadata__":{"k":1}})", 0, "must be a string"},
      {R"({"__metadata__":[]})", 0, "expected a JSON object"},
  };
  for (const Case& c : cases) {
    INFO(c.header);
    CHECK_THAT(verdict(file_bytes(c.header, c.data_bytes)), Catch::Contains(c.reason));
  }
  CHECK_THAT(verdict(file_bytes(std::string("{}\0}", 4), 0)), Catch::Contains("zero byte"));
  const std::string name(513, 'n');
  CHECK_THAT(verdict(file_bytes(
                 "{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})", 1)),
             Catch::Contains("longer than 512"));
}

TEST_CASE("a header of more than 100,000 tensors is refused", "[unit]") {
  std::string header = "{";
  for (int i = 0; i <= 100'000; ++i)
    header += fmt::format(R"({}"{}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}})",
                          i == 0 ? "" : ",", i);
  CHECK_THAT(verdict(file_bytes(header + "}", 0)), Catch::Contains("100001 tensors; at most"));
}

TEST_CASE("a header length beyond the file or the limit is refused before it is read", "[unit]") {
  for (const uint64_t length :
       {uint64_t{3}, uint64_t{100'000'001}, uint64_t{1} << 63, ~uint64_t{0}}) {
    std::string bytes = file_bytes("{}", 0);
    std::memcpy(bytes.data(), &length, sizeof length);
    CHECK_THAT(verdict(bytes), Catch::Contains("byte 0: header of"));
  }
  CHECK_THAT(verdict("1234567"), Catch::Contains("too few"));
  CHECK_THAT(verdict(""), Catch::Contains("too few"));
}

TEST_CASE("every cut of a tensor file is noticed", "[unit]") {
  const std::string whole =
      file_bytes(R"({"a":{"dtype":"F32","shape":[5],"data_offsets":[0,20]}})", 20);
  REQUIRE(verdict(whole) == "");
  for (size_t length = 0; length < whole.size(); ++length) {
    INFO(length);
    CHECK(verdict(whole.substr(0, length)) != "");
  }
}

TEST_CASE("control characters of a file never reach a message", "[unit]") {
  const std::string message =
      verdict(file_bytes(R"({"\u001b[2J":{"dtype":"Q\n","shape":[1],"data_offsets":[0,1]}})", 1));
  for (const char c : message) CHECK(static_cast<unsigned char>(c) >= 0x20);
  CHECK_THAT(message, Catch::Contains("\\u001b"));
}

TEST_CASE("only regular files are opened", "[unit]") {
  const test::ScratchFolder folder;
  std::ofstream(folder / "real") << "x";
  std::filesystem::create_symlink(folder / "real", folder / "link");
  CHECK(read_file(folder / "real").size() == 1);
  CHECK_THROWS_WITH(read_file(folder / "link"), Catch::Contains("symbolic link"));
  CHECK_THROWS_WITH(read_file(folder.path()), Catch::Contains("not a regular file"));
  CHECK_THROWS_WITH(read_file(folder / "none"), Catch::Contains("No such file"));
}
