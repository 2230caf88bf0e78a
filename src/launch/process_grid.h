// The process grid: which rank has which coordinate, and who is in its groups. Integers only; the
// axis order is written once, here: tensor-parallel fastest, then data, then pipeline, as in
// Megatron-LM, so that with consecutive ranks on a host TP stays inside it.
#pragma once

#include <vector>

namespace swallow {

struct GridShape {
  int dp = 1;
  int tp = 1;
  int pp = 1;
  [[nodiscard]] int world_size() const noexcept { return dp * tp * pp; }
  friend bool operator==(const GridShape&, const GridShape&) = default;
};

struct GridCoordinate {
  int dp = 0;
  int tp = 0;
  int pp = 0;
  friend bool operator==(const GridCoordinate&, const GridCoordinate&) = default;
};

class ProcessGrid {
 public:
  /// Throws ContractError on a degree below 1.
  explicit ProcessGrid(GridShape shape);

  [[nodiscard]] const GridShape& shape() const noexcept { return shape_; }
  [[nodiscard]] int world_size() const noexcept { return shape_.world_size(); }
  [[nodiscard]] GridCoordinate coordinate(int rank) const;
  [[nodiscard]] int rank(GridCoordinate coordinate) const;

  /// Global ranks of the group that `rank` belongs to, in order along the axis.
  [[nodiscard]] std::vector<int> tp_group(int rank) const;
  [[nodiscard]] std::vector<int> dp_group(int rank) const;
  [[nodiscard]] std::vector<int> pp_group(int rank) const;

 private:
  GridShape shape_;
};

}  // namespace swallow
