#include "bench/pairing.h"

#include <algorithm>

namespace swallow {

namespace {

/// Of an odd number of ranks one more is thought of, whose partner is left over.
std::vector<int> round_of(int size, int round) {
  const int even = size + size % 2;
  const int circle = even - 1;  // all but the last one, which stands in the middle
  std::vector<int> partners(static_cast<size_t>(size), -1);
  for (int rank = 0; rank < size; ++rank) {
    int partner = ((round - rank) % circle + circle) % circle;
    if (rank == circle)
      partner = round % 2 == 0 ? round / 2 : (round + circle) / 2;
    else if (partner == rank)
      partner = circle;
    if (partner < size) partners[static_cast<size_t>(rank)] = partner;
  }
  return partners;
}

}  // namespace

std::vector<std::vector<int>> pairing_rounds(int size, int most_rounds) {
  std::vector<std::vector<int>> rounds;
  if (size < 2) return rounds;
  const int all = size + size % 2 - 1;
  const int count = std::min(all, most_rounds);
  for (int i = 0; i < count; ++i) rounds.push_back(round_of(size, i * all / count));
  return rounds;
}

}  // namespace swallow
