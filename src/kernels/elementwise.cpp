#include "kernels/elementwise.h"

#include "kernels/op_check.h"

namespace swallow {

void Add::check() const {
  const OpCheck check("Add", a);
  check.leading("a", a, a.rank());
  check.argument("b", b, a.dtype, a.shape);
  check.argument("y", y, a.dtype, a.shape);
}

void Cast::check() const {
  const OpCheck check("Cast", x);
  check.leading("x", x, x.rank());
  check.leading("y", y, y.rank());
  check.require(x.numel() == y.numel(), "x and y differ in their number of elements");
  check.argument("y", y, y.dtype, y.shape);
}

}  // namespace swallow
