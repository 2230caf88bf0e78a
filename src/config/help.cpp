#include "config/help.h"

#include <optional>
#include <type_traits>

#include "config/cli.h"
#include "config/fields.h"
#include "config/preset.h"
#include "config/value_text.h"

namespace swallow {
namespace {

constexpr size_t kHelpColumn = 44;

std::string_view title_of(Group group) {
  switch (group) {
    case Group::model:
      return "Model";
    case Group::parallel:
      return "Parallelism";
    case Group::training:
      return "Training";
    case Group::optimizer:
      return "Optimizer";
    case Group::data:
      return "Data";
    case Group::checkpoint:
      return "Checkpoints";
    case Group::logging:
      return "Logs";
  }
  return {};
}

/// The word that stands for the value of an option of type T.
template <class T>
std::string placeholder() {
  if constexpr (std::is_same_v<T, bool>) return "";
  if constexpr (std::is_same_v<T, int64_t>) return " N";
  if constexpr (std::is_same_v<T, double>) return " X";
  if constexpr (std::is_same_v<T, std::string>) return " TEXT";
  if constexpr (std::is_same_v<T, std::vector<std::string>>) return " TEXT...";
  if constexpr (std::is_enum_v<T>) return fmt::format(" {}", names_of_all<T>());
}

template <class T>
std::string default_text(const T& value) {
  if constexpr (std::is_same_v<T, bool>) return value ? "on" : "off";
  const std::string text = text_of(value);
  return text.empty() ? "none" : text;
}

std::string line(const std::string& flag, std::string_view help) {
  return fmt::format("  {:<{}} {}\n", flag, kHelpColumn - 3, help);
}

}  // namespace

std::string help_text() {
  std::string text =
      "swallow-train pre-trains Llama models in 3D parallel: data x tensor x pipeline.\n\n"
      "Usage: swallow-train [train] [--preset NAME] [flags]\n"
      "       swallow-train COMMAND --help\n\nCommands\n";
  for (const Command& command : commands()) text += line(std::string(command.name), command.help);
  text += "\nA built-in value is overridden by the preset, and that by a flag.\n";
  text += "Switches have a --no- form. Defaults are in brackets.\n\nStart\n";
  text +=
      line("--preset NAME", fmt::format("{}, or a .json file", fmt::join(preset_names(), ", ")));
  text += line("--nproc N", "start N ranks on this machine");
  text += line("--rendezvous HOST:PORT", "where rank 0 listens, when no launcher says so");
  text += line("--use-checkpoint-args", "num-query-groups as in the checkpoint, if not given");
  text += line("--print-config", "show every value and where it comes from, then end");
  text += line("--version", "show the version, then end");
  text += line("-h, --help", "show this, then end");
  for (const Command& command : commands()) {
    if (!command.flags.empty()) text += fmt::format("\nOnly for {}\n", command.name);
    for (const CommandFlag& flag : command.flags)
      text += line(fmt::format("--{}{}{}", flag.name, flag.value.empty() ? "" : " ", flag.value),
                   flag.help);
  }

  const RunConfig built_in;
  std::optional<Group> group;
  visit_fields(built_in, [&](const auto& member, const FieldInfo& info) {
    using T = std::remove_cvref_t<decltype(member)>;
    if (!info.has_flag) return;
    if (group != info.group) text += fmt::format("\n{}\n", title_of(info.group));
    group = info.group;
    text += line(flag_of(info.key) + placeholder<T>(),
                 fmt::format("{} [{}]", info.help, default_text(member)));
  });
  text +=
      "\nExamples\n"
      "  swallow-train --preset tiny --mock-data\n"
      "  swallow-train --nproc 8 --preset quickstart --data-path data/en --save run\n"
      "  srun swallow-train --preset 70b --data-path data/ja --load run --load-or-init --save "
      "run\n";
  return text;
}

std::string flags_markdown() {
  std::string text = "| group | flags and built-in values |\n| --- | --- |";
  const RunConfig built_in;
  std::optional<Group> group;
  visit_fields(built_in, [&](const auto& member, const FieldInfo& info) {
    if (!info.has_flag) return;
    if (group == info.group)
      text += ", ";
    else
      text += fmt::format("{}\n| {} | ", group ? " |" : "", title_of(info.group));
    group = info.group;
    text += fmt::format("`{}` {}", flag_of(info.key), default_text(member));
  });
  return text + " |\n";
}

std::string version_text() {
  const std::string_view build = SWALLOW_BUILD_ID;
  return fmt::format("swallow-train {}{}{} (compiler {})", SWALLOW_VERSION,
                     build.empty() ? "" : " ", build, __VERSION__);
}

}  // namespace swallow
