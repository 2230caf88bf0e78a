#include "checkpoint/manifest.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/content_hash.h"
#include "checkpoint/strict_json.h"
#include "checkpoint/tensor_file.h"

namespace swallow {

namespace {

constexpr int64_t kSchemaVersion = 2;
constexpr int64_t kFirstSchema = 1;  // read still: its state lacks build and configuration digest
constexpr std::string_view kFormat = "swallow-train checkpoint";
constexpr size_t kMaxTensorName = 512;  // bytes

using Json = nlohmann::ordered_json;

// ---- writing: one line for each file and piece, so that people can grep

Json to_json(const StoredPiece& piece) {
  const CanonicalRange& r = piece.range;
  return {{"kind", name_of(piece.kind)},
          {"dtype", file_dtype(piece.dtype)},
          {"rows", {r.row_begin, r.row_end}},
          {"columns", {r.column_begin, r.column_end}},
          {"range", {r.begin, r.end}},
          {"file", piece.file},
          {"key", piece.key},
          {"xxh3_128", piece.hash}};
}

std::string files_text(const std::map<std::string, StoredFile>& files) {
  std::vector<std::string> lines;
  for (const auto& [name, file] : files) {
    const Json line{{"size", file.size}, {"header_xxh3_128", file.header_hash}};
    lines.push_back(fmt::format("  {}: {}", Json(name).dump(), line.dump()));
  }
  return fmt::format("{{\n{}\n }}", fmt::join(lines, ",\n"));
}

std::string tensors_text(const std::map<std::string, StoredTensor>& tensors) {
  std::vector<std::string> blocks;
  for (const auto& [name, tensor] : tensors) {
    std::vector<std::string> pieces;
    for (const StoredPiece& piece : tensor.pieces) pieces.push_back("   " + to_json(piece).dump());
    blocks.push_back(fmt::format("  {}: {{\"shape\": {}, \"pieces\": [\n{}]}}", Json(name).dump(),
                                 Json(dims_of(tensor.shape)).dump(), fmt::join(pieces, ",\n")));
  }
  return fmt::format("{{\n{}\n }}", fmt::join(blocks, ",\n"));
}

/// The last field of the file, over all bytes before it.
std::string hash_tail(std::span<const std::byte> before) {
  return fmt::format(",\n \"xxh3_128\": \"{}\"\n}}\n", content_hash(before));
}

// ---- reading

int narrow_degree(StrictObject& object, std::string_view key) {
  const int64_t value = object.integer(key);
  if (value < 1 || value > 1'000'000) object.refuse(key, "from 1 to 1000000");
  return static_cast<int>(value);
}

CheckpointState parse_state(const nlohmann::json& json, int64_t schema, const std::string& where) {
  StrictObject object(json, where);
  CheckpointState state{.iteration = object.integer("iteration"),
                        .consumed_train_samples = object.integer("consumed_train_samples"),
                        .consumed_valid_samples = object.integer("consumed_valid_samples"),
                        .config_json = {}};
  StrictObject grid(object.field("grid"), where + ": grid");
  state.dp = narrow_degree(grid, "dp");
  state.tp = narrow_degree(grid, "tp");
  state.pp = narrow_degree(grid, "pp");
  grid.finish();
  if (schema > kFirstSchema) {
    state.build = object.text("build");
    state.config_digest = object.text("config_digest");
  }
  object.finish();
  return state;
}

std::string parse_hash(StrictObject& object, std::string_view key) {
  std::string hash = object.text(key);
  const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
  if (hash.size() != 32 || !std::ranges::all_of(hash, is_digit))
    object.refuse(key, "32 lower-case hexadecimal digits");
  return hash;
}

std::map<std::string, StoredFile> parse_files(const nlohmann::json& json,
                                              const std::string& where) {
  if (!json.is_object()) throw CheckpointError("{}: \"files\" must be an object", where);
  std::map<std::string, StoredFile> files;
  for (const auto& [name, value] : json.items()) {
    const std::string here = fmt::format("{}: file {}", where, in_quotes(name));
    if (!is_plain_name(name))
      throw CheckpointError("{}: must be a plain name inside the folder", here);
    StrictObject object(value, here);
    files[name] = {.size = object.integer("size"),
                   .header_hash = parse_hash(object, "header_xxh3_128")};
    object.finish();
  }
  return files;
}

std::pair<int64_t, int64_t> parse_range(StrictObject& object, std::string_view key, int64_t limit) {
  const std::vector<int64_t> ends = object.integers(key, 2);
  if (ends.size() != 2 || ends[0] >= ends[1] || ends[1] > limit)
    object.refuse(key, fmt::format("[begin, end] with begin < end <= {}", limit));
  return {ends[0], ends[1]};
}

template <class T, class Name>
T parse_choice(StrictObject& object, std::string_view key, std::span<const T> choices, Name name) {
  const std::string text = object.text(key);
  for (const T choice : choices)
    if (name(choice) == text) return choice;
  std::vector<std::string_view> names;
  for (const T choice : choices) names.push_back(name(choice));
  object.refuse(key, fmt::format("one of {}", fmt::join(names, ", ")));
}

StoredPiece parse_piece(const nlohmann::json& json, const Shape& shape, const std::string& where) {
  static constexpr DType kTypes[] = {DType::f32, DType::bf16, DType::f64};
  StrictObject object(json, where);
  StoredPiece piece;
  piece.kind = parse_choice<StateKind>(object, "kind", kStateKinds,
                                       [](StateKind kind) { return name_of(kind); });
  piece.dtype =
      parse_choice<DType>(object, "dtype", kTypes, [](DType dtype) { return file_dtype(dtype); });
  CanonicalRange& r = piece.range;
  std::tie(r.row_begin, r.row_end) = parse_range(object, "rows", shape[0]);
  std::tie(r.column_begin, r.column_end) =
      parse_range(object, "columns", shape.rank() == 2 ? shape[1] : 1);
  std::tie(r.begin, r.end) = parse_range(object, "range", r.area());
  piece.file = object.text("file");
  piece.key = object.text("key");
  piece.hash = parse_hash(object, "xxh3_128");
  object.finish();
  return piece;
}

/// One or two dimensions whose product, in bytes, fits 63 bits.
Shape parse_shape(StrictObject& object) {
  const std::vector<int64_t> dims = object.integers("shape", 2);
  int64_t bytes = 8;
  bool fits = !dims.empty();
  for (const int64_t dim : dims)
    fits = fits && dim > 0 && !__builtin_mul_overflow(bytes, dim, &bytes);
  if (!fits) object.refuse("shape", "one or two positive dimensions");
  return dims.size() == 1 ? Shape{dims[0]} : Shape{dims[0], dims[1]};
}

std::map<std::string, StoredTensor> parse_tensors(const nlohmann::json& json,
                                                  const std::string& where) {
  if (!json.is_object()) throw CheckpointError("{}: \"tensors\" must be an object", where);
  std::map<std::string, StoredTensor> tensors;
  for (const auto& [name, value] : json.items()) {
    if (name.empty() || name.size() > kMaxTensorName)
      throw CheckpointError("{}: tensor name of {} bytes; 1 to {} are allowed", where, name.size(),
                            kMaxTensorName);
    const std::string here = fmt::format("{}: tensor {}", where, in_quotes(name));
    StrictObject object(value, here);
    StoredTensor& tensor = tensors[name];
    tensor.shape = parse_shape(object);
    const nlohmann::json& pieces = object.field("pieces");
    if (!pieces.is_array()) object.refuse("pieces", "an array");
    for (const nlohmann::json& piece : pieces)
      tensor.pieces.push_back(parse_piece(piece, tensor.shape, here));
    object.finish();
  }
  return tensors;
}

}  // namespace

std::string manifest_entry_text(const ManifestEntry& entry) {
  return fmt::format("{{\"files\": {},\n \"tensors\": {}}}", files_text(entry.files),
                     tensors_text(entry.tensors));
}

void add_manifest_entry(Manifest& manifest, std::string_view entry_text) {
  const std::string where = "entry of a rank";
  const nlohmann::json json = parse_strict_json(std::as_bytes(std::span(entry_text)), where, 0);
  StrictObject object(json, where);
  manifest.files.merge(parse_files(object.field("files"), where));
  for (auto& [name, tensor] : parse_tensors(object.field("tensors"), where)) {
    StoredTensor& all = manifest.tensors.try_emplace(name, tensor.shape).first->second;
    if (all.shape != tensor.shape)
      throw CheckpointError("tensor {}: ranks disagree about its shape: {} and {}", in_quotes(name),
                            to_string(all.shape), to_string(tensor.shape));
    all.pieces.insert(all.pieces.end(), tensor.pieces.begin(), tensor.pieces.end());
  }
  object.finish();
}

std::string manifest_text(const Manifest& manifest) {
  const CheckpointState& s = manifest.state;
  const Json config = Json::parse(s.config_json, nullptr, false);
  SWALLOW_CHECK(config.is_object(), "config_json is not a JSON object: {}", s.config_json);
  const Json state{{"iteration", s.iteration},
                   {"consumed_train_samples", s.consumed_train_samples},
                   {"consumed_valid_samples", s.consumed_valid_samples},
                   {"grid", {{"dp", s.dp}, {"tp", s.tp}, {"pp", s.pp}}},
                   {"build", s.build},
                   {"config_digest", s.config_digest}};
  const std::string text = fmt::format(
      "{{\n \"format\": \"{}\",\n \"schema_version\": {},\n \"state\": {},\n \"config\": {},\n"
      " \"files\": {},\n \"tensors\": {}",
      kFormat, kSchemaVersion, state.dump(), config.dump(), files_text(manifest.files),
      tensors_text(manifest.tensors));
  return text + hash_tail(std::as_bytes(std::span(text)));
}

Manifest parse_manifest(std::span<const std::byte> text, const std::string& file) {
  const size_t tail_size = hash_tail({}).size();
  const auto before = text.first(text.size() - std::min(text.size(), tail_size));
  const std::string tail = hash_tail(before);
  if (!std::ranges::equal(text.subspan(before.size()), std::as_bytes(std::span(tail))))
    throw CheckpointError("{}: does not end in the hash of its text: damaged, cut or edited", file);
  const nlohmann::json json = parse_strict_json(text, file, 0);
  StrictObject object(json, file);
  if (object.text("format") != kFormat) object.refuse("format", fmt::format("\"{}\"", kFormat));
  const int64_t schema = object.integer("schema_version");
  if (schema < kFirstSchema || schema > kSchemaVersion)
    object.refuse("schema_version", fmt::format("{} to {}: written by another version",
                                                kFirstSchema, kSchemaVersion));
  Manifest manifest;
  manifest.state = parse_state(object.field("state"), schema, file + ": state");
  const nlohmann::json& config = object.field("config");
  if (!config.is_object()) object.refuse("config", "an object");
  manifest.state.config_json = config.dump();
  manifest.files = parse_files(object.field("files"), file);
  manifest.tensors = parse_tensors(object.field("tensors"), file);
  manifest.hash = parse_hash(object, "xxh3_128");
  object.finish();
  check_manifest(manifest, file);
  return manifest;
}

Manifest read_manifest(const std::filesystem::path& folder, int64_t iteration) {
  const std::string file = (folder / kManifestName).string();
  Manifest manifest = parse_manifest(read_file(file), file);
  if (manifest.state.iteration != iteration)
    throw CheckpointError("{}: is of iteration {}, expected {}", file, manifest.state.iteration,
                          iteration);
  return manifest;
}

}  // namespace swallow
