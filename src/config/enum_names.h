// The one table of names for each enum of RunConfig. Flags, JSON, help and messages all read it.
#pragma once

#include <array>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "config/run_config.h"

namespace swallow {

/// Specialised per enum: `table` holds every value with the word that users write.
template <class E>
struct EnumNames;

template <>
struct EnumNames<Backend> {
  static constexpr std::array<std::pair<Backend, std::string_view>, 2> table{
      {{Backend::cpu, "cpu"}, {Backend::cuda, "cuda"}}};
};

template <>
struct EnumNames<CommChoice> {
  static constexpr std::array<std::pair<CommChoice, std::string_view>, 4> table{
      {{CommChoice::automatic, "auto"},
       {CommChoice::host, "host"},
       {CommChoice::sockets, "sockets"},
       {CommChoice::nccl, "nccl"}}};
};

template <>
struct EnumNames<ParamsDtype> {
  static constexpr std::array<std::pair<ParamsDtype, std::string_view>, 3> table{
      {{ParamsDtype::bf16, "bf16"}, {ParamsDtype::fp32, "fp32"}, {ParamsDtype::fp64, "fp64"}}};
};

template <>
struct EnumNames<Recompute> {
  static constexpr std::array<std::pair<Recompute, std::string_view>, 3> table{
      {{Recompute::none, "none"}, {Recompute::selective, "selective"}, {Recompute::full, "full"}}};
};

template <>
struct EnumNames<PipelineSchedule> {
  static constexpr std::array<std::pair<PipelineSchedule, std::string_view>, 2> table{
      {{PipelineSchedule::one_f_one_b, "1f1b"}, {PipelineSchedule::gpipe, "gpipe"}}};
};

template <>
struct EnumNames<LrDecayStyle> {
  static constexpr std::array<std::pair<LrDecayStyle, std::string_view>, 3> table{
      {{LrDecayStyle::cosine, "cosine"},
       {LrDecayStyle::linear, "linear"},
       {LrDecayStyle::constant, "constant"}}};
};

template <>
struct EnumNames<LogFormat> {
  static constexpr std::array<std::pair<LogFormat, std::string_view>, 2> table{
      {{LogFormat::text, "text"}, {LogFormat::megatron, "megatron"}}};
};

/// The word for `value`; a value that no table holds is a bug.
template <class E>
requires requires {
  EnumNames<E>::table;
}
constexpr std::string_view name_of(E value) {
  for (const auto& [entry, name] : EnumNames<E>::table)
    if (entry == value) return name;
  throw ContractError("enum value {} has no name", static_cast<int>(value));
}

}  // namespace swallow
