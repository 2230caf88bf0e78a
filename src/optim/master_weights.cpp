#include "optim/master_weights.h"

#include "kernels/adamw.h"
#include "kernels/elementwise.h"

namespace swallow {

void master_from_params(Stream& stream, const ParamLayout& layout, int shard_rank,
                        const Tensor& params, const Tensor& master) {
  // What is bf16 already has no low bits.
  if (is_split_master(master)) return zero(stream, master);
  for (const ShardPiece& piece : layout.pieces(shard_rank))
    launch(stream, Cast{.x = params.rows(piece.flat, piece.flat + piece.size()),
                        .y = master.rows(piece.shard, piece.shard + piece.size())});
}

}  // namespace swallow
