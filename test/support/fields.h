// The members of an op's argument struct in order, so that a test can treat all ops alike.
#pragma once

#include <cstddef>
#include <utility>

namespace swallow::test {

namespace detail {

struct Anything {
  template <class T>
  operator T() const;  // NOLINT(google-explicit-constructor): only named in requires
};

template <class T, size_t... kIndex>
constexpr bool takes(std::index_sequence<kIndex...>) {
  return requires {
    T{(static_cast<void>(kIndex), Anything{})...};
  };
}

template <class T, size_t kCount = 16>
constexpr size_t count_fields() {
  if constexpr (takes<T>(std::make_index_sequence<kCount>{}))
    return kCount;
  else
    return count_fields<T, kCount - 1>();
}

}  // namespace detail

/// Calls fn with each member of an aggregate of up to 16 members.
template <class Op, class Fn>
void for_each_field(Op& op, Fn&& fn) {
  const auto call = [&](auto&... field) { (fn(field), ...); };
  constexpr size_t kCount = detail::count_fields<Op>();
  static_assert(kCount >= 2 && kCount <= 12, "one more case below");
  if constexpr (kCount == 2) {
    auto& [a, b] = op;
    call(a, b);
  } else if constexpr (kCount == 3) {
    auto& [a, b, c] = op;
    call(a, b, c);
  } else if constexpr (kCount == 4) {
    auto& [a, b, c, d] = op;
    call(a, b, c, d);
  } else if constexpr (kCount == 5) {
    auto& [a, b, c, d, e] = op;
    call(a, b, c, d, e);
  } else if constexpr (kCount == 6) {
    auto& [a, b, c, d, e, f] = op;
    call(a, b, c, d, e, f);
  } else if constexpr (kCount == 7) {
    auto& [a, b, c, d, e, f, g] = op;
    call(a, b, c, d, e, f, g);
  } else if constexpr (kCount == 8) {
    auto& [a, b, c, d, e, f, g, h] = op;
    call(a, b, c, d, e, f, g, h);
  } else if constexpr (kCount == 9) {
    auto& [a, b, c, d, e, f, g, h, i] = op;
    call(a, b, c, d, e, f, g, h, i);
  } else if constexpr (kCount == 10) {
    auto& [a, b, c, d, e, f, g, h, i, j] = op;
    call(a, b, c, d, e, f, g, h, i, j);
  } else if constexpr (kCount == 11) {
    auto& [a, b, c, d, e, f, g, h, i, j, k] = op;
    call(a, b, c, d, e, f, g, h, i, j, k);
  } else {
    auto& [a, b, c, d, e, f, g, h, i, j, k, l] = op;
    call(a, b, c, d, e, f, g, h, i, j, k, l);
  }
}

}  // namespace swallow::test
