#include "comm/world.h"

namespace swallow {

void World::all_reduce_world(Stream& stream, const Tensor& tensor, ReduceOp op) const {
  for (Communicator* axis : {tp.get(), dp.get(), pp.get()}) axis->all_reduce(stream, tensor, op);
}

void World::abort(std::string_view reason) const noexcept {
  control->abort(reason);
}

}  // namespace swallow
