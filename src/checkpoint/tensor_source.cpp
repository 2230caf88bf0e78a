#include "checkpoint/tensor_source.h"

#include "base/check.h"
#include "checkpoint/strict_json.h"

namespace swallow {

NumberReader::NumberReader(const TensorSource& source, std::string name, NumberType type)
    : where_(fmt::format("{}: tensor {}", source.place(), in_quotes(name))),
      from_(source.tensors().find(name)->second.type),
      to_(type),
      reader_(source.open(name)) {}

std::span<const std::byte> NumberReader::next(int64_t count) {
  raw_.resize(static_cast<size_t>(count * size_of(from_)));
  reader_->read(raw_);
  converted_.resize(static_cast<size_t>(count * size_of(to_)));
  if (const auto bad = convert_numbers(raw_, from_, converted_, to_))
    throw CheckpointError("{}: element {} is not finite as {}", where_, position_ + *bad,
                          file_dtype(to_));
  position_ += count;
  return converted_;
}

}  // namespace swallow
