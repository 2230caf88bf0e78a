#include "kernels/swiglu.h"

#include "kernels/op_check.h"

namespace swallow {

void SwigluForward::check() const {
  const OpCheck check("SwigluForward", y);
  check.leading("y", y, 2);
  check.argument("gate_up", gate_up, y.dtype, {y.size(0), 2 * y.size(1)});
}

void SwigluBackward::check() const {
  const OpCheck check("SwigluBackward", dy);
  check.leading("dy", dy, 2);
  check.argument("gate_up", gate_up, dy.dtype, {dy.size(0), 2 * dy.size(1)});
  check.argument("dgate_up", dgate_up, dy.dtype, gate_up.shape);
}

}  // namespace swallow
