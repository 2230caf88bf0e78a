#include "config/cli.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <set>

#include "config/fields.h"
#include "config/megatron_flags.h"
#include "config/nearest_name.h"
#include "config/preset.h"
#include "config/value_text.h"

namespace swallow {
namespace {

constexpr std::array kBenchFlags{
    CommandFlag{"warmup-iters", "N", "steps before the timed ones [3]"},
    CommandFlag{"bench-iters", "N", "timed steps, or repeats of each op [10]"},
    CommandFlag{"slice", "", "one rank of TP x PP alone, without collectives"},
    CommandFlag{"ops", "", "each op at this rank's shapes against its floor"},
    CommandFlag{"peak-bandwidth", "X", "memory [GB/s] for the floors; else a measured copy"},
    CommandFlag{"output", "FILE", "write the record, one JSON object"},
};

constexpr std::array kImportFlags{
    CommandFlag{"dry-run", "", "show which bytes each rank of the run would read"},
    CommandFlag{"json", "", "with --dry-run: print every range, as JSON"},
    CommandFlag{"extend-vocab", "FILE", "SentencePiece model: tokenizer-model's tokens and more"},
    CommandFlag{"output", "DIR", "with --extend-vocab: folder to write"},
    CommandFlag{"init", "KIND", "new rows: mean-of-pieces, mean or random [the first]"},
    CommandFlag{"dtype", "TYPE", "bf16, fp32 or fp16; else that of the folder"},
    CommandFlag{"max-shard-size", "SIZE", "bytes of a file at most [5GB]"},
};

constexpr std::array kJobscriptFlags{
    CommandFlag{"scheduler", "NAME", "slurm, pbs (as on ABCI 3.0) or uge (as on ABCI 2.0)"},
    CommandFlag{"nodes", "N", "[those of the paper's run of the preset, or 1]"},
    CommandFlag{"gpus-per-node", "N", "as many ranks run on a node [8]"},
    CommandFlag{"time", "HH:MM:SS", "time limit of a job [24:00:00]"},
    CommandFlag{"exit-margin-in-mins", "N", "save and stop so long before the time limit [15]"},
    CommandFlag{"max-jobs", "N", "a job queues the next one, N in all at most [50]"},
    CommandFlag{"job-name", "NAME", "[swallow- and the preset]"},
    CommandFlag{"account", "NAME", "slurm: who pays"},
    CommandFlag{"partition", "NAME", "slurm: where it runs"},
    CommandFlag{"group", "NAME", "pbs, uge: who pays"},
    CommandFlag{"queue", "NAME", "pbs: the queue [rt_HF]; uge: the resource type [rt_AF]"},
    CommandFlag{"modules", "TEXT", "to load, e.g. \"cuda/13.0 hpcx/2.20\""},
    CommandFlag{"binary", "PATH", "swallow-train on the nodes [the one on the PATH]"},
    CommandFlag{"output", "FILE", "write the script there, not to standard output"},
    CommandFlag{"overwrite", "", "replace that file"},
};

constexpr std::array kPlanFlags{
    CommandFlag{"gpu", "NAME", "a100-40, a100-80, h100, h200, or a profile's .json file"},
    CommandFlag{"nodes", "N", "[those of the paper's run of the preset, or the fewest]"},
    CommandFlag{"gpus-per-node", "N", "as many ranks run on a node [the profile's, or 8]"},
    CommandFlag{"world-size", "N", "ranks in all, instead of --nodes"},
    CommandFlag{"gpu-memory-gib", "X", "memory of a GPU, which the plan must fit [the profile's]"},
    CommandFlag{"software", "NAME", "whose step is estimated [swallow-train]"},
    CommandFlag{"tokens", "N", "how many days they take is told [those of the run]"},
    CommandFlag{"search", "", "rank all layouts of these ranks on --gpu"},
    CommandFlag{"svg", "FILE", "draw the step, or with --search the layouts, there"},
    CommandFlag{"map", "", "print only which rank is where"},
    CommandFlag{"presets-markdown", "", "print README.md's table of the paper's presets"},
};

constexpr std::array kNodeCheckFlags{
    CommandFlag{"output", "FILE", "write all readings and findings, one JSON object"},
};

constexpr std::array kCommands{
    Command{"train", "pre-train a model (the default when flags come first)", true},
    Command{"bench", "time training steps; takes the flags of training", true, kBenchFlags},
    Command{"plan", "show a run's processes, memory and pipeline", true, kPlanFlags},
    Command{"import", "extend a vocabulary, or plan a load", true, kImportFlags},
    Command{"export", "write a checkpoint as a Hugging Face folder"},
    Command{"preprocess", "turn JSONL text into .bin/.idx, or join such pairs"},
    Command{"inspect", "show what a dataset or a saved model holds"},
    Command{"compare", "show how two saved models differ"},
    Command{"report", "draw runs, or benchmarks over ranks, in one HTML file"},
    Command{"node-check", "find ranks and links that are slow or wrong", true, kNodeCheckFlags},
    Command{"jobscript", "write a job script; takes the flags of training", true, kJobscriptFlags},
};

constexpr Range kNprocRange{1, 1024};

/// CLI11 splits the command line; the words come back as given and are parsed by value_text.h.
class TrainParser {
 public:
  explicit TrainParser(const Command& command) : own_flags_(command.flags) {
    parsed_.command = command.name;
    app_.set_help_flag("");  // it would throw; --help is a request like others
    app_.allow_extras();     // unknown flags get our message, not CLI11's
    for (const char* name :
         {"help", "help-markdown", "version", "print-config", "use-checkpoint-args"})
      add(name, Arity::none);
    for (const char* name : {"preset", "nproc", "rendezvous"}) add(name, Arity::one);
    visit_fields(parsed_.config, [&](auto& member, const FieldInfo& info) {
      using T = std::remove_cvref_t<decltype(member)>;
      if (!info.has_flag) return;
      const std::string name = flag_of(info.key).substr(2);
      if constexpr (std::is_same_v<T, bool>) {
        add(name, Arity::none);
        add("no-" + name, Arity::none);
      } else {
        add(name, std::is_same_v<T, std::vector<std::string>> ? Arity::many : Arity::one);
      }
    });
    for (const Shorthand& item : shorthands())
      add(std::string(item.name), item.value.empty() ? Arity::one : Arity::none);
    for (const ForeignFlag& item : foreign_flags()) add(std::string(item.name), item.arity);
    for (const CommandFlag& item : own_flags_)
      add(std::string(item.name), item.value.empty() ? Arity::none : Arity::one);
  }

  ParsedCommandLine parse(const std::vector<std::string>& arguments) {
    split(arguments);
    if (given("help")) parsed_.request = Request::help;
    if (given("help-markdown")) parsed_.request = Request::help_markdown;
    if (given("version")) parsed_.request = Request::version;
    if (parsed_.request != Request::run) return std::move(parsed_);
    if (given("print-config")) parsed_.request = Request::print_config;
    read_launch_flags();
    read_preset();
    read_flags();
    read_own_flags();
    check_foreign();
    check_pointless();
    return std::move(parsed_);
  }

 private:
  void add(const std::string& name, Arity arity) {
    const std::string flags = name == "help" ? "-h,--help" : "--" + name;
    CLI::Option* option = arity == Arity::none ? app_.add_flag(flags)->disable_flag_override()
                                               : app_.add_option(flags);
    option->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
    if (arity == Arity::none)
      switches_.insert("--" + name);
    else
      option->type_name("value");
    if (arity == Arity::many) option->expected(1, 1 << 16)->allow_extra_args(false);
    options_.emplace(name, option);
  }

  [[nodiscard]] bool given(const std::string& name) const { return !options_.at(name)->empty(); }

  /// The only value of a flag that takes one.
  [[nodiscard]] const std::string& word(const std::string& name) const {
    return options_.at(name)->results().at(0);
  }

  void split(const std::vector<std::string>& arguments) {
    std::set<std::string> seen;
    for (const std::string& argument : arguments) {
      const std::string name = argument.substr(0, argument.find('='));
      if (name.starts_with("--") && !seen.insert(name).second)
        throw ConfigError("{} is given twice", printable(name));
      if (name.size() < argument.size() && switches_.contains(name))
        throw ConfigError("{}: a switch takes no value; expected {} or nothing",
                          printable(argument), name);
    }
    try {
      app_.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
    } catch (const CLI::ParseError& error) {
      throw ConfigError("{}; see swallow-train --help", printable(error.what()));
    }
    for (const std::string& extra : app_.remaining()) refuse_extra(extra);
  }

  [[noreturn]] void refuse_extra(const std::string& extra) const {
    if (!extra.starts_with("-"))
      throw ConfigError("unexpected argument {}; flags start with --", printable(extra));
    std::string name = extra.substr(std::min(extra.find_first_not_of('-'), extra.size()));
    name = name.substr(0, name.find('='));
    std::replace(name.begin(), name.end(), '_', '-');
    for (const OtherName& other : other_names())
      if (other.theirs == name)
        throw ConfigError("unknown flag {}; did you mean --{}?", printable(extra), other.ours);
    std::vector<std::string> names;
    for (const auto& [known, option] : options_) names.push_back(known);
    throw ConfigError("unknown flag {}{}", printable(extra), did_you_mean(name, names, "--"));
  }

  void read_launch_flags() {
    if (given("nproc"))
      parsed_.nproc = static_cast<int>(parse_integer("--nproc ", word("nproc"), kNprocRange));
    if (given("rendezvous")) parsed_.rendezvous = parse_text("--rendezvous ", word("rendezvous"));
    parsed_.use_checkpoint_args = given("use-checkpoint-args");
  }

  void read_own_flags() {
    for (const CommandFlag& item : own_flags_) {
      const std::string name(item.name);
      if (!given(name)) continue;
      parsed_.own[name] =
          item.value.empty() ? "" : parse_text(fmt::format("--{} ", name), word(name));
    }
  }

  void read_preset() {
    visit_fields(parsed_.config, [&](const auto&, const FieldInfo& info) {
      parsed_.origins[std::string(info.key)] = {};
    });
    if (!given("preset")) return;
    const std::string name = parse_text("--preset ", word("preset"));
    for (const std::string& key : apply_preset(name, parsed_.config))
      parsed_.origins[key] = {OriginKind::preset, name};
  }

  void read_flags() {
    visit_fields(parsed_.config, [&](auto& member, const FieldInfo& info) {
      if (!info.has_flag) return;
      const bool own = read_flag(info, member);
      const bool other = read_shorthands(info, own, member);
      if (own || other) parsed_.origins[std::string(info.key)] = {OriginKind::command_line, {}};
    });
  }

  /// True when the option was given under its own name.
  template <class T>
  bool read_flag(const FieldInfo& info, T& member) {
    const std::string flag = flag_of(info.key);
    const std::string name = flag.substr(2);
    if constexpr (std::is_same_v<T, bool>) {
      const bool on = given(name);
      const bool off = given("no-" + name);
      if (on && off) throw ConfigError("{} and --no-{} are both given", flag, name);
      if (on || off) member = on;
      return on || off;
    } else if (!given(name)) {
      return false;
    } else if constexpr (std::is_same_v<T, std::vector<std::string>>) {
      member.clear();
      for (const std::string& item : options_.at(name)->results())
        member.push_back(parse_text(flag + " ", item));
      return true;
    } else {
      member = parse<T>(flag, word(name), info.range);
      return true;
    }
  }

  /// True when another spelling of the option was given; it must agree with the first, unless it
  /// wins over it.
  template <class T>
  bool read_shorthands(const FieldInfo& info, bool already, T& member) {
    bool found = false;
    if constexpr (!std::is_same_v<T, std::vector<std::string>>) {
      for (const Shorthand& item : shorthands()) {
        const std::string name(item.name);
        if (item.key != info.key || !given(name)) continue;
        const T value = item.value.empty() ? parse<T>("--" + name, word(name), info.range)
                                           : parse<T>("--" + name, item.value, info.range);
        if ((already || found) && value != member) note_contradiction(item, info, value, member);
        if (!item.notice.empty()) parsed_.notices.emplace_back(item.notice);
        member = value;
        found = true;
      }
    }
    return found;
  }

  template <class T>
  void note_contradiction(const Shorthand& item, const FieldInfo& info, const T& value,
                          const T& member) {
    const std::string flag = flag_of(info.key);
    if (!item.wins)
      throw ConfigError("--{} means {} {}, which contradicts {} {}", item.name, flag,
                        text_of(value), flag, text_of(member));
    parsed_.notices.push_back(
        fmt::format("--{} wins over {} {}, as in Megatron", item.name, flag, text_of(member)));
  }

  template <class T>
  static T parse(const std::string& flag, std::string_view text, const Range& range) {
    const std::string where = flag + " ";
    if constexpr (std::is_same_v<T, int64_t>) {
      return parse_integer(where, text, range);
    } else if constexpr (std::is_same_v<T, double>) {
      return parse_real(where, text, range);
    } else if constexpr (std::is_enum_v<T>) {
      return parse_enum<T>(where, text);
    } else if constexpr (std::is_same_v<T, bool>) {
      return text == kOn;  // only a shorthand has a text for a switch
    } else {
      return parse_text(where, text);
    }
  }

  void check_foreign() {
    std::string ignored;
    for (const ForeignFlag& item : foreign_flags()) {
      const std::string name(item.name);
      if (!given(name)) continue;
      check_foreign_flag(item, item.arity == Arity::none ? std::vector<std::string>{}
                                                         : options_.at(name)->results());
      ignored += " --" + name;
    }
    const ModelConfig& model = parsed_.config.model;
    if (given("group-query-attention") && model.num_query_groups == 0)
      throw ConfigError("--group-query-attention needs --num-query-groups, 1 to {}",
                        model.num_attention_heads);
    if (given("max-position-embeddings"))
      parse_integer("--max-position-embeddings ", word("max-position-embeddings"),
                    {static_cast<double>(model.seq_length), 1 << 24});
    if (!ignored.empty())
      parsed_.notices.push_back("accepted for old scripts, without effect here:" + ignored);
  }

  /// A preset may say how often to save or evaluate in case the run does; a flag that cannot take
  /// effect is a mistake.
  void check_pointless() const {
    const CheckpointConfig& checkpoint = parsed_.config.checkpoint;
    if (given("save-interval") && checkpoint.save_interval > 0 && checkpoint.save.empty())
      throw ConfigError("--save-interval {}: needs --save <folder>", checkpoint.save_interval);
  }

  std::span<const CommandFlag> own_flags_;
  CLI::App app_;
  std::map<std::string, CLI::Option*> options_;  // by name without dashes; owned by app_
  std::set<std::string> switches_;               // with dashes: flags that take no value
  ParsedCommandLine parsed_;
};

}  // namespace

std::string text_of(const Origin& origin) {
  switch (origin.kind) {
    case OriginKind::built_in:
      return "built-in";
    case OriginKind::preset:
      return "preset " + origin.preset;
    case OriginKind::command_line:
      return "command line";
  }
  return {};
}

std::span<const Command> commands() {
  return kCommands;
}

const Command& find_command(const std::string& name) {
  std::vector<std::string> names;
  for (const Command& command : commands()) {
    if (command.name == name) return command;
    names.emplace_back(command.name);
  }
  throw ConfigError("unknown command {}, expected one of {}{}", printable(name),
                    fmt::join(names, "|"), did_you_mean(name, names));
}

ParsedCommandLine parse_command_line(const std::vector<std::string>& arguments) {
  ParsedCommandLine parsed;
  if (arguments.empty()) {
    parsed.request = Request::help;
    return parsed;
  }
  if (arguments[0].starts_with("-")) return TrainParser(commands().front()).parse(arguments);
  const Command& command = find_command(arguments[0]);
  std::vector<std::string> rest(arguments.begin() + 1, arguments.end());
  if (command.training_flags) return TrainParser(command).parse(rest);
  parsed.command = command.name;
  parsed.rest = std::move(rest);
  return parsed;
}

std::vector<ConfigRow> config_rows(const ParsedCommandLine& parsed) {
  std::vector<ConfigRow> rows;
  visit_fields(parsed.config, [&](const auto& member, const FieldInfo& info) {
    const std::string key(info.key);
    rows.push_back({info.has_flag ? flag_of(key) : key + " (preset)", text_of(member),
                    text_of(parsed.origins.at(key))});
  });
  return rows;
}

}  // namespace swallow
