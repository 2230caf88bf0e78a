#include "commands/jobscript.h"

#include <algorithm>
#include <filesystem>
#include <iostream>
#include <ostream>
#include <span>

#include "base/check.h"
#include "base/math.h"
#include "checkpoint/file.h"
#include "commands/checkpoint_args.h"
#include "commands/job.h"
#include "commands/own_flags.h"
#include "config/run_shape.h"
#include "config/value_text.h"
#include "launch/job_script.h"

namespace swallow {

namespace {

std::string name_or(const OwnFlags& own, const std::string& name, const std::string& otherwise) {
  const auto found = own.find(name);
  if (found == own.end()) return otherwise;
  check_job_name("--" + name, printable(found->second));
  return found->second;
}

Scheduler parse_scheduler(const OwnFlags& own) {
  const auto found = own.find("scheduler");
  const std::string text = found == own.end() ? "" : found->second;
  if (text == "slurm") return Scheduler::slurm;
  if (text == "pbs") return Scheduler::pbs;
  if (text == "uge") return Scheduler::uge;
  throw ConfigError("--scheduler {}: expected slurm, pbs or uge", printable(text));
}

/// HH:MM:SS in seconds.
int64_t parse_time_limit(const std::string& text) {
  const auto fail = [&] {
    throw ConfigError("--time {}: expected HH:MM:SS, above 00:00:00", printable(text));
  };
  const bool shaped = text.size() >= 8 && text.size() <= 10 && text[text.size() - 3] == ':' &&
                      text[text.size() - 6] == ':';
  if (!shaped) fail();
  const auto part = [&](size_t from, size_t count, int64_t most) {
    const std::string digits = text.substr(from, count);
    if (digits.find_first_not_of("0123456789") != std::string::npos) fail();
    const int64_t value = std::stoll(digits);
    if (value > most) fail();
    return value;
  };
  const size_t hours = text.size() - 6;
  const int64_t seconds =
      (part(0, hours, 9999) * 60 + part(hours + 1, 2, 59)) * 60 + part(hours + 4, 2, 59);
  if (seconds == 0) fail();
  return seconds;
}

/// Slurm says account and partition where the others say group and queue.
void check_terms(Scheduler scheduler, const OwnFlags& own) {
  const bool slurm = scheduler == Scheduler::slurm;
  const auto refuse = [&](const char* given, const char* expected) {
    if (own.contains(given))
      throw ConfigError("--{}: expected --{} with --scheduler {}", given, expected,
                        own.at("scheduler"));
  };
  refuse(slurm ? "group" : "account", slurm ? "account" : "group");
  refuse(slurm ? "queue" : "partition", slurm ? "partition" : "queue");
}

/// "swallow-70b"; a preset that is a file may have any name.
std::string default_job_name(const std::string& preset) {
  const bool plain =
      !preset.empty() && preset.size() < 32 && preset.find_first_of("/. ") == std::string::npos;
  return plain ? "swallow-" + preset : "swallow-train";
}

JobRequest read_request(const ParsedCommandLine& parsed) {
  const OwnFlags& own = parsed.own;
  const RunConfig& config = parsed.config;
  JobRequest job;
  job.scheduler = parse_scheduler(own);
  check_terms(job.scheduler, own);
  const bool slurm = job.scheduler == Scheduler::slurm;
  job.name = name_or(own, "job-name", default_job_name(config.preset));
  job.account = name_or(own, slurm ? "account" : "group", "");
  job.queue = slurm ? name_or(own, "partition", "")
                    : name_or(own, "queue", job.scheduler == Scheduler::pbs ? "rt_HF" : "rt_AF");
  job.nodes =
      integer_or(own, "nodes", std::max<int64_t>(config.parallel.paper_nodes, 1), {1, 100'000});
  job.ranks_per_node = integer_or(own, "gpus-per-node", 8, {1, 1024});
  job.gpus = leaves_backend_open(parsed) || config.parallel.backend == Backend::cuda;
  job.time_limit_seconds = parse_time_limit(own.contains("time") ? own.at("time") : "24:00:00");
  job.exit_margin_minutes = integer_or(own, "exit-margin-in-mins", 15, {1, 1000});
  if (job.exit_margin_minutes * 60 + 60 > job.time_limit_seconds)
    throw ConfigError("--exit-margin-in-mins {}: expected a minute less than --time {} at most",
                      job.exit_margin_minutes, time_limit_text(job.time_limit_seconds));
  return job;
}

std::vector<std::string> split_words(const std::string& text) {
  std::vector<std::string> words;
  for (size_t at = text.find_first_not_of(' '); at != std::string::npos;
       at = text.find_first_not_of(' ', at)) {
    const size_t end = std::min(text.find(' ', at), text.size());
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

/// The command line as it was written, without those own flags that `unwanted` holds true for.
template <class Predicate>
std::vector<std::string> without(const std::vector<std::string>& arguments, Predicate unwanted) {
  const std::span<const CommandFlag> flags = find_command("jobscript").flags;
  std::vector<std::string> kept;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = arguments[i].substr(0, arguments[i].find('='));
    const auto own = std::ranges::find_if(
        flags, [&](const CommandFlag& flag) { return name == fmt::format("--{}", flag.name); });
    if (own == flags.end() || !unwanted(own->name))
      kept.push_back(arguments[i]);
    else if (!own->value.empty() && name == arguments[i])
      ++i;  // its value is a word of its own
  }
  return kept;
}

/// A job that is submitted again must go on with what it has saved, or begin where nothing is.
void check_goes_on(const ParsedCommandLine& parsed) {
  const CheckpointConfig& c = parsed.config.checkpoint;
  if (parsed.nproc > 0)
    throw ConfigError(
        "--nproc {}: the scheduler starts the ranks; expected --nodes and "
        "--gpus-per-node",
        parsed.nproc);
  if (c.save.empty())
    throw ConfigError("--save is not given; a job that shall go on in the next one needs it");
  if (!c.load.empty() && c.load != c.save)
    throw ConfigError(
        "--load {}: the next job would begin there anew, whatever --save {} holds; expected "
        "--pretrained-checkpoint {}",
        printable(c.load), printable(c.save), printable(c.load));
  if (c.finetune)
    throw ConfigError("--finetune: every job would begin anew; expected --pretrained-checkpoint");
  if (c.ckpt_step >= 0)
    throw ConfigError("--ckpt-step {}: every job would begin there; expected no such flag",
                      c.ckpt_step);
}

bool given(const ParsedCommandLine& parsed, const std::string& key) {
  return parsed.origins.at(key).kind == OriginKind::command_line;
}

/// The flags of training with those that make a job of it, where the user does not say otherwise.
std::vector<std::string> job_flags(const ParsedCommandLine& parsed, const JobRequest& job,
                                   std::vector<std::string> flags) {
  const CheckpointConfig& c = parsed.config.checkpoint;
  const auto add = [&](const std::string& flag) { flags.push_back(flag); };
  if (leaves_backend_open(parsed)) {
    add("--backend");
    add("cuda");
  }
  if (c.load.empty()) {
    add("--load");
    add(c.save);
  }
  if (c.pretrained_checkpoint.empty() && !given(parsed, "load_or_init")) add("--load-or-init");
  // Slurm warns the ranks by a signal; mpirun would end them one second after it.
  if (job.scheduler != Scheduler::slurm && !given(parsed, "exit_duration_in_mins")) {
    add("--exit-duration-in-mins");
    add(std::to_string(job.time_limit_seconds / 60 - job.exit_margin_minutes));
  }
  return flags;
}

/// What training would say to the flags on that many ranks.
void check_flags(const std::vector<std::string>& flags, const JobRequest& job) {
  ParsedCommandLine parsed = parse_command_line(flags);
  complete_model(parsed);
  resolve(parsed.config, narrow<int>(job.nodes * job.ranks_per_node));
  for (const std::string& notice : parsed.notices) std::cerr << notice << "\n";
}

void write_script(const std::string& text, const OwnFlags& own, std::ostream& out) {
  const auto output = own.find("output");
  if (output == own.end()) {
    out << text;
    return;
  }
  const std::filesystem::path path = output->second;
  if (own.contains("overwrite")) {
    replace_file(path, text);
  } else if (std::filesystem::exists(std::filesystem::symlink_status(path))) {
    throw ConfigError("--output {}: exists; expected a new file, or --overwrite",
                      printable(output->second));
  } else {
    write_new_file(path, text);
  }
}

}  // namespace

int run_jobscript(const ParsedCommandLine& parsed, const std::vector<std::string>& arguments,
                  std::ostream& out) {
  check_goes_on(parsed);
  JobScript script{.request = read_request(parsed)};
  std::vector<std::string> flags = without(arguments, [](std::string_view) { return true; });
  flags.erase(flags.begin());  // the command's name
  flags = job_flags(parsed, script.request, std::move(flags));
  check_flags(flags, script.request);
  const auto binary = parsed.own.find("binary");
  script.command = {binary == parsed.own.end() ? "swallow-train" : binary->second};
  script.command.insert(script.command.end(), flags.begin(), flags.end());
  // Where it was written is no part of what it is.
  script.written_by = without(
      arguments, [](std::string_view name) { return name == "output" || name == "overwrite"; });
  script.written_by.insert(script.written_by.begin(), "swallow-train");
  if (const auto modules = parsed.own.find("modules"); modules != parsed.own.end())
    script.modules = split_words(modules->second);
  script.max_jobs = integer_or(parsed.own, "max-jobs", 50, {1, 100'000});
  write_script(job_script_text(script), parsed.own, out);
  return 0;
}

}  // namespace swallow
