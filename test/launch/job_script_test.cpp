#include "launch/job_script.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <sstream>

#include "base/check.h"

using namespace swallow;

namespace {

JobScript script_for(Scheduler scheduler) {
  JobScript script;
  script.request.scheduler = scheduler;
  script.request.name = "swallow-70b";
  script.request.account = "grp";
  script.request.queue = "rt";
  script.request.nodes = 32;
  script.request.time_limit_seconds = 100 * 3600 + 61;
  script.written_by = {"swallow-train", "jobscript"};
  script.command = {"swallow-train", "--preset", "70b", "--save", "my run"};
  return script;
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

/// The lines that begin with `prefix`, without it.
std::vector<std::string> lines_with(const std::string& prefix, const std::string& text) {
  std::vector<std::string> found;
  for (const std::string& line : lines_of(text))
    if (line.starts_with(prefix)) found.push_back(line.substr(prefix.size()));
  return found;
}

bool has_line(const std::string& line, const std::string& text) {
  const std::vector<std::string> lines = lines_of(text);
  return std::ranges::find(lines, line) != lines.end();
}

}  // namespace

TEST_CASE("Slurm is asked for whole nodes, a warning, a requeue and one log", "[unit][launch]") {
  JobScript script = script_for(Scheduler::slurm);
  CHECK(lines_with("#SBATCH ", job_script_text(script)) ==
        std::vector<std::string>{"--job-name=swallow-70b", "--account=grp", "--partition=rt",
                                 "--nodes=32", "--ntasks-per-node=8", "--gpus-per-node=8",
                                 "--exclusive", "--mem=0", "--time=100:01:01", "--requeue",
                                 "--open-mode=append", "--output=%x-%j.out", "--signal=USR1@900"});
  script.request.gpus = false;
  script.request.account.clear();
  script.request.queue.clear();
  const std::string plain = job_script_text(script);
  for (const char* absent : {"--gpus-per-node", "--account", "--partition"})
    CHECK(plain.find(absent) == std::string::npos);
}

TEST_CASE("PBS and Grid Engine are asked in ABCI's words", "[unit][launch]") {
  CHECK(lines_with("#PBS ", job_script_text(script_for(Scheduler::pbs))) ==
        std::vector<std::string>{"-N swallow-70b", "-P grp", "-q rt", "-l select=32:mpiprocs=8",
                                 "-l walltime=100:01:01", "-k oe", "-j oe", "-r y"});
  const std::string uge = job_script_text(script_for(Scheduler::uge));
  CHECK(lines_with("#$ ", uge) == std::vector<std::string>{"-N swallow-70b", "-l rt=32",
                                                           "-l h_rt=100:01:01", "-cwd", "-j y",
                                                           "-r y"});
  CHECK(has_line("# Submit it as: qsub -g grp FILE", uge));
}

TEST_CASE("ranks are started by srun, or by mpirun on the scheduler's hosts", "[unit][launch]") {
  const std::string slurm = job_script_text(script_for(Scheduler::slurm));
  CHECK(has_line("srun --kill-on-bad-exit=0 --wait=300 --cpu-bind=none \\", slurm));
  const std::string pbs = job_script_text(script_for(Scheduler::pbs));
  CHECK(has_line("mpirun -np 256 -map-by ppr:8:node -bind-to none \\", pbs));
  CHECK(has_line("  -hostfile \"$PBS_NODEFILE\" \"${exports[@]}\" \\", pbs));
  const std::string uge = job_script_text(script_for(Scheduler::uge));
  CHECK(has_line("mpirun -np 256 -map-by ppr:8:node -bind-to none \\", uge));
  CHECK(has_line("  echo \"$host slots=8\"", uge));
  for (const std::string& text : {slurm, pbs, uge}) CHECK(has_line("  --save 'my run'", text));
}

TEST_CASE("no value starts a line of its own, whatever it holds", "[unit][launch]") {
  const std::string evil = "x\n#$ -l rt_AF=999\n#SBATCH --time=9\n#PBS -q x\nrm -r ~\n";
  for (const Scheduler scheduler : {Scheduler::slurm, Scheduler::pbs, Scheduler::uge}) {
    const auto text_with = [&](const std::string& value) {
      JobScript script = script_for(scheduler);
      script.written_by.push_back(value);
      script.command.push_back(value);
      script.modules = {value};
      return job_script_text(script);
    };
    const std::string text = text_with(evil);
    CHECK(lines_of(text).size() == lines_of(text_with("plain")).size());
    CHECK_FALSE(has_line("rm -r ~", text));
    CHECK_FALSE(has_line("#$ -l rt_AF=999", text));
  }
}

TEST_CASE("names that schedulers read are of plain characters", "[unit][launch]") {
  CHECK_NOTHROW(check_job_name("--job-name", "swallow-70b_1.0"));
  for (const std::string& name :
       {std::string(), std::string("a b"), std::string("-q"), std::string("a\nb"),
        std::string("a'b"), std::string("$x"), std::string(65, 'a')}) {
    CAPTURE(name);
    CHECK_THROWS_AS(check_job_name("--job-name", name), ConfigError);
  }
  CHECK_THROWS_WITH(check_job_name("--queue", "a b"),
                    Catch::Contains("--queue a b") && Catch::Contains("64 letters"));
}
