#include "data/text_input.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <new>
#include <utility>
#include <vector>

#include "base/check.h"

namespace swallow {

namespace {

constexpr size_t kBlockBytes = size_t{128} << 10;
constexpr std::array<unsigned char, 2> kMagic = {0x1f, 0x8b};
constexpr int kGzipOnly = 16 + MAX_WBITS;  // neither zlib's own header nor a guess

bool is_gzip(const InputFile& file) {
  std::array<unsigned char, 2> begin{};
  const int64_t got = file.read_some(0, std::as_writable_bytes(std::span(begin)));
  return got == static_cast<int64_t>(begin.size()) && begin == kMagic;
}

}  // namespace

class TextInput::Gzip {
 public:
  explicit Gzip(const InputFile& file) : file_(file), block_(kBlockBytes) {
    if (::inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  Gzip(const Gzip&) = delete;
  Gzip& operator=(const Gzip&) = delete;
  ~Gzip() { ::inflateEnd(&stream_); }

  int64_t read(std::span<char> out) {
    out = out.first(std::min(out.size(), size_t{1} << 30));  // zlib counts in 32 bits
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>(out.size());
    while (stream_.avail_out > 0 && have_input()) inflate_some();
    return static_cast<int64_t>(out.size() - stream_.avail_out);
  }

  [[nodiscard]] int64_t consumed() const { return offset_ - stream_.avail_in; }

 private:
  /// True when there are bytes to inflate; false after the last member.
  bool have_input() {
    if (stream_.avail_in > 0) return true;
    const int64_t got = file_.read_some(offset_, std::as_writable_bytes(std::span(block_)));
    if (got == 0 && inside_member_) {
      throw DataError("{}: ends at compressed offset {} inside a gzip member: truncated",
                      file_.path(), offset_);
    }
    offset_ += got;
    stream_.next_in = block_.data();
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  void inflate_some() {
    const int64_t begin = consumed();
    const bool first_bytes = std::exchange(inside_member_, true) == false;
    const int status = ::inflate(&stream_, Z_NO_FLUSH);
    if (status == Z_STREAM_END) {
      ::inflateReset(&stream_);  // another member may follow
      inside_member_ = false;
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && first_bytes && begin > 0) {
      throw DataError("{}: compressed offset {}: bytes that are no gzip member follow the last one",
                      file_.path(), begin);
    } else if (status != Z_OK) {
      throw DataError("{}: compressed offset {}: damaged gzip data: {}", file_.path(), consumed(),
                      stream_.msg != nullptr ? stream_.msg : "unknown error");
    }
  }

  const InputFile& file_;
  z_stream stream_{};
  std::vector<unsigned char> block_;  // compressed
  int64_t offset_ = 0;                // in the file, of what is to be read next
  bool inside_member_ = true;         // a file that is gzip at all holds one
};

TextInput::TextInput(std::string path) : file_(std::move(path)) {
  if (is_gzip(file_)) gzip_ = std::make_unique<Gzip>(file_);
}

TextInput::~TextInput() = default;

int64_t TextInput::read(std::span<char> out) {
  if (gzip_) return gzip_->read(out);
  const int64_t got = file_.read_some(offset_, std::as_writable_bytes(out));
  offset_ += got;
  return got;
}

int64_t TextInput::consumed() const {
  return gzip_ ? gzip_->consumed() : offset_;
}

}  // namespace swallow
