#include "gemm_table.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/check.h"

namespace swallow::cuda {

namespace {

namespace fs = std::filesystem;
using Entries = std::map<GemmKey, TunedGemm>;
using nlohmann::ordered_json;

/// Of the file; another one when the meaning of a key or the way of measuring changes.
constexpr int kFormat = 1;
constexpr size_t kWordDigits = 16;

/// Excludes other processes, and other threads of this one, from replacing a file. Where the file
/// system has no locks nothing is excluded: an entry may then get lost and be measured again.
class FileLock {
 public:
  explicit FileLock(const fs::path& file)
      : descriptor_(open(file.c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0666)) {
    while (descriptor_ >= 0 && flock(descriptor_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  ~FileLock() {
    if (descriptor_ >= 0) close(descriptor_);
  }

 private:
  int descriptor_;
};

std::string file_name(const GpuIdentity& gpu) {
  std::string name = gpu.name;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '-';
  return fmt::format("gemm-{}-sm{}-cublasLt{}.json", name, gpu.compute_capability,
                     gpu.library_version);
}

std::string to_hex(const AlgorithmData& data) {
  std::string text;
  for (const uint64_t word : data) text += fmt::format("{:016x}", word);
  return text;
}

std::optional<AlgorithmData> from_hex(const std::string& text) {
  AlgorithmData data{};
  if (text.size() != data.size() * kWordDigits) return std::nullopt;
  for (size_t i = 0; i < data.size(); ++i) {
    const char* begin = text.data() + i * kWordDigits;
    const auto [end, error] = std::from_chars(begin, begin + kWordDigits, data[i], 16);
    if (error != std::errc{} || end != begin + kWordDigits) return std::nullopt;
  }
  return data;
}

std::optional<DType> dtype_from(const std::string& name) {
  for (const DType dtype : {DType::bf16, DType::f32})
    if (name == name_of(dtype)) return dtype;
  return std::nullopt;
}

ordered_json to_json(const GemmKey& key, const TunedGemm& tuned) {
  return {{"m", key.m},
          {"n", key.n},
          {"k", key.k},
          {"input", name_of(key.input)},
          {"output", name_of(key.output)},
          {"transpose_a", key.transpose_a == Transpose::yes},
          {"transpose_b", key.transpose_b == Transpose::yes},
          {"accumulate", key.beta == Beta::one},
          {"alignment", {key.alignment_a, key.alignment_b, key.alignment_c}},
          {"workspace_bytes", key.workspace_bytes},
          {"heuristic_ms", tuned.heuristic_ms},
          {"chosen_ms", tuned.chosen_ms},
          {"algorithm", to_hex(tuned.algorithm)}};
}

/// Throws nlohmann's exceptions for missing or mistyped fields; false for impossible values.
bool add_entry(const ordered_json& json, Entries& entries) {
  GemmKey key;
  json.at("m").get_to(key.m);
  json.at("n").get_to(key.n);
  json.at("k").get_to(key.k);
  const auto input = dtype_from(json.at("input").get<std::string>());
  const auto output = dtype_from(json.at("output").get<std::string>());
  const auto algorithm = from_hex(json.at("algorithm").get<std::string>());
  if (!input || !output || !algorithm) return false;
  key.input = *input;
  key.output = *output;
  const auto transpose = [&](const char* field) {
    return json.at(field).get<bool>() ? Transpose::yes : Transpose::no;
  };
  key.transpose_a = transpose("transpose_a");
  key.transpose_b = transpose("transpose_b");
  key.beta = json.at("accumulate").get<bool>() ? Beta::one : Beta::zero;
  const auto alignment = json.at("alignment").get<std::array<int32_t, 3>>();
  key.alignment_a = alignment[0];
  key.alignment_b = alignment[1];
  key.alignment_c = alignment[2];
  json.at("workspace_bytes").get_to(key.workspace_bytes);
  entries[key] = {*algorithm, json.at("heuristic_ms").get<double>(),
                  json.at("chosen_ms").get<double>()};
  return true;
}

/// The entries of a file; none unless all of it is sound and of this GPU.
Entries read_entries(const fs::path& path, const GpuIdentity& gpu) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  Entries entries;
  try {
    const auto json = ordered_json::parse(text);
    const GpuIdentity found{json.at("gpu").get<std::string>(),
                            json.at("compute_capability").get<int>(),
                            json.at("library_version").get<int64_t>()};
    if (json.at("format").get<int>() != kFormat || !(found == gpu)) return {};
    for (const ordered_json& entry : json.at("products"))
      if (!add_entry(entry, entries)) return {};
  } catch (const nlohmann::json::exception&) {
    return {};  // a cache: measured again, and replaced
  }
  return entries;
}

/// Readers see the old file or the new one, never a part.
void replace_file(const fs::path& path, const std::string& text) {
  std::string temporary = path.string() + ".XXXXXX";
  const int descriptor = mkstemp(temporary.data());
  if (descriptor < 0) throw IoError("cannot create {}: {}", temporary, std::strerror(errno));
  fchmod(descriptor, 0644);  // mkstemp's 0600 would hide it from a group's other users
  close(descriptor);
  std::ofstream file(temporary, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file || std::rename(temporary.c_str(), path.c_str()) != 0) {
    const int error = errno;
    unlink(temporary.c_str());
    throw IoError("cannot write {}: {}", path.string(), std::strerror(error));
  }
}

void write_entries(const fs::path& path, const GpuIdentity& gpu, const Entries& entries) {
  ordered_json json = {{"format", kFormat},
                       {"gpu", gpu.name},
                       {"compute_capability", gpu.compute_capability},
                       {"library_version", gpu.library_version},
                       {"products", ordered_json::array()}};
  for (const auto& [key, tuned] : entries) json["products"].push_back(to_json(key, tuned));
  replace_file(path, json.dump(1) + "\n");
}

}  // namespace

GemmTable::GemmTable(const fs::path& folder, GpuIdentity gpu) : gpu_(std::move(gpu)) {
  if (folder.empty()) return;
  path_ = folder / file_name(gpu_);
  entries_ = read_entries(path_, gpu_);
}

const TunedGemm* GemmTable::find(const GemmKey& key) const {
  const auto found = entries_.find(key);
  return found == entries_.end() ? nullptr : &found->second;
}

TunedGemm GemmTable::insert(const GemmKey& key, const TunedGemm& tuned, const TunedGemm* unusable) {
  if (path_.empty()) return entries_[key] = tuned;
  std::error_code error;
  fs::create_directories(path_.parent_path(), error);
  if (error) throw IoError("cannot create {}: {}", path_.parent_path().string(), error.message());
  const FileLock lock(path_.string() + ".lock");
  Entries merged = read_entries(path_, gpu_);
  const auto theirs = merged.find(key);
  const bool adopt =
      theirs != merged.end() && (unusable == nullptr || !(theirs->second == *unusable));
  if (!adopt) merged[key] = tuned;
  merged.merge(entries_);  // had the file been damaged since
  entries_ = std::move(merged);
  if (!adopt) write_entries(path_, gpu_, entries_);
  return entries_.at(key);
}

}  // namespace swallow::cuda
