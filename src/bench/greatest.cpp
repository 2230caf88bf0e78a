#include "bench/greatest.h"

#include <span>

namespace swallow {

int64_t greatest_of_all(const World& world, Stream& stream, int64_t value) {
  const Buffer buffer(stream.device(), sizeof value);
  const CancelOnError cancel(world);
  const Tensor device{buffer.data(), DType::i64, {1}, stream.device()};
  const Tensor host = host_view(std::span(&value, 1));
  copy(stream, device, host);
  world.all_reduce_world(stream, device, ReduceOp::max);
  copy(stream, host, device);
  world.synchronize(stream);
  return value;
}

}  // namespace swallow
