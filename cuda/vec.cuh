// Sixteen bytes of a row as fp32 numbers: one load or store instruction per thread, which is what
// bandwidth-bound kernels need. One element at a time where a row is not a multiple of 16 bytes.
#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include <type_traits>

namespace swallow::cuda {

/// kCount neighbouring elements of type T; the address must be a multiple of their size together.
template <class T, int kCount>
struct alignas(sizeof(T) * kCount) Packed {
  T element[kCount];
};

/// Elements of T in 16 bytes.
template <class T>
inline constexpr int kVectorWidth = 16 / static_cast<int>(sizeof(T));

__device__ inline float to_float(float value) {
  return value;
}
__device__ inline float to_float(__nv_bfloat16 value) {
  return __bfloat162float(value);
}

template <class T>
__device__ T from_float(float value);
template <>
__device__ inline float from_float<float>(float value) {
  return value;
}
/// To nearest even, as on the CPU.
template <>
__device__ inline __nv_bfloat16 from_float<__nv_bfloat16>(float value) {
  return __float2bfloat16_rn(value);
}

/// A pack as it came from memory, either 16 bytes or one element: for kernels that keep several of
/// them, because an element of a Packed<bf16> that lives on takes a whole register.
template <class T, int kCount>
struct RawPack {
  static_assert(kCount == 1 || kCount == kVectorWidth<T>);
  using Bits = std::conditional_t<kCount == 1, T, uint4>;
  Bits bits;
};

template <int kCount, class T>
__device__ RawPack<T, kCount> load_pack(const T* address) {
  return {*reinterpret_cast<const typename RawPack<T, kCount>::Bits*>(address)};
}
template <class T, int kCount>
__device__ void store_pack(T* address, const RawPack<T, kCount>& pack) {
  *reinterpret_cast<typename RawPack<T, kCount>::Bits*>(address) = pack.bits;
}

/// Two bf16 of a register, the lower half first in memory.
__device__ inline void unpack_pair(unsigned pair, float& first, float& second) {
  first = __uint_as_float(pair << 16);
  second = __uint_as_float(pair & 0xFFFF0000U);
}
__device__ inline unsigned pack_pair(float first, float second) {
  const __nv_bfloat162_raw raw = __floats2bfloat162_rn(first, second);
  return raw.x | static_cast<unsigned>(raw.y) << 16;
}

template <class T>
__device__ void unpack(const RawPack<T, 1>& pack, float (&values)[1]) {
  values[0] = to_float(pack.bits);
}
__device__ inline void unpack(const RawPack<float, 4>& pack, float (&values)[4]) {
  values[0] = __uint_as_float(pack.bits.x);
  values[1] = __uint_as_float(pack.bits.y);
  values[2] = __uint_as_float(pack.bits.z);
  values[3] = __uint_as_float(pack.bits.w);
}
__device__ inline void unpack(const RawPack<__nv_bfloat16, 8>& pack, float (&values)[8]) {
  unpack_pair(pack.bits.x, values[0], values[1]);
  unpack_pair(pack.bits.y, values[2], values[3]);
  unpack_pair(pack.bits.z, values[4], values[5]);
  unpack_pair(pack.bits.w, values[6], values[7]);
}

/// Rounds to nearest even, as from_float.
template <class T>
__device__ void pack(const float (&values)[1], RawPack<T, 1>& pack) {
  pack.bits = from_float<T>(values[0]);
}
__device__ inline void pack(const float (&values)[4], RawPack<float, 4>& pack) {
  pack.bits = {__float_as_uint(values[0]), __float_as_uint(values[1]), __float_as_uint(values[2]),
               __float_as_uint(values[3])};
}
__device__ inline void pack(const float (&values)[8], RawPack<__nv_bfloat16, 8>& pack) {
  pack.bits = {pack_pair(values[0], values[1]), pack_pair(values[2], values[3]),
               pack_pair(values[4], values[5]), pack_pair(values[6], values[7])};
}

/// Numbers of one load when kCount of them are read: more than 16 bytes take several.
template <int kCount>
inline constexpr int kFloatsPerLoad = kCount < 4 ? kCount : 4;

/// kCount floats beside each other, for instance those that belong to a pack of bf16; aligned to 16
/// bytes or, where kCount is smaller, to their size.
template <int kCount>
__device__ void load_floats(float (&values)[kCount], const float* address) {
  constexpr int kPart = kFloatsPerLoad<kCount>;
#pragma unroll
  for (int i = 0; i < kCount; i += kPart) {
    const auto part = *reinterpret_cast<const Packed<float, kPart>*>(address + i);
#pragma unroll
    for (int j = 0; j < kPart; ++j) values[i + j] = part.element[j];
  }
}
template <int kCount>
__device__ void store_floats(float* address, const float (&values)[kCount]) {
  constexpr int kPart = kFloatsPerLoad<kCount>;
#pragma unroll
  for (int i = 0; i < kCount; i += kPart) {
    Packed<float, kPart> part;
#pragma unroll
    for (int j = 0; j < kPart; ++j) part.element[j] = values[i + j];
    *reinterpret_cast<Packed<float, kPart>*>(address + i) = part;
  }
}

}  // namespace swallow::cuda
