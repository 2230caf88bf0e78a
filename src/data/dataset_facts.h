// A pair of `.bin`/`.idx` looked at as a whole, for `inspect` and for joining pairs: in memory that
// does not grow with the files, which may be larger than the machine's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "data/file.h"
#include "data/index_file.h"

namespace swallow {

/// Both files, opened; the whole index is checked, and that `.bin` has exactly the size it says.
/// Unlike IndexedDataset it takes every element type.
struct DatasetFiles {
  /// DataError naming the file and offset of what is wrong.
  explicit DatasetFiles(const std::string& prefix);

  InputFile bin;
  InputFile idx;
  IndexSummary summary;
};

/// Tokens [begin, begin + length) of `.bin`.
struct DocumentPlace {
  int64_t begin = 0;
  int64_t length = 0;
};
[[nodiscard]] DocumentPlace place_of(const DatasetFiles& files, int64_t document);

/// DataError when the elements are no integers.
[[nodiscard]] std::vector<int64_t> read_tokens(const DatasetFiles& files, int64_t begin,
                                               int64_t count);

/// What only reading every byte tells.
struct TokenFacts {
  int64_t smallest = 0;  // both 0 where there is no token
  int64_t largest = 0;
  std::string idx_hash;  // XXH3-128
  std::string bin_hash;
};

/// Reads both files whole. DataError for the first token outside 0 to `vocab_size` - 1, or to the
/// largest int32 where `vocab_size` is 0: file, offset, document, value, what is accepted.
[[nodiscard]] TokenFacts verify_tokens(const DatasetFiles& files, int64_t vocab_size);

}  // namespace swallow
