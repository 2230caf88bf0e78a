#include "launch/environment.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "base/check.h"

using Catch::Contains;
using swallow::ConfigError;
using swallow::LaunchEnvironment;

namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

LaunchEnvironment resolve(const Variables& variables, std::string_view rendezvous = {}) {
  return swallow::resolve_environment(
      [&](std::string_view name) -> std::optional<std::string> {
        const auto at = variables.find(name);
        return at == variables.end() ? std::nullopt : std::optional(at->second);
      },
      rendezvous);
}

/// `base` with `changes` on top; an empty value stands for an unset variable.
Variables with(Variables base, const Variables& changes) {
  for (const auto& [name, value] : changes) base[name] = value;
  return base;
}

void require_ranks(const LaunchEnvironment& got, int rank, int size, int local_rank,
                   int local_size) {
  CHECK(got.rank == rank);
  CHECK(got.world_size == size);
  CHECK(got.local_rank == local_rank);
  CHECK(got.local_size == local_size);
}

class NodeFile {
 public:
  explicit NodeFile(const std::string& text)
      : path_(std::filesystem::temp_directory_path() /
              ("swallow_nodes_" + std::to_string(getpid()))) {
    std::ofstream(path_) << text;
  }
  ~NodeFile() { std::filesystem::remove(path_); }
  [[nodiscard]] std::string path() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

// What srun set for task 5 of 8 on the second of two nodes.
const Variables kSlurmTask = {{"SLURM_JOB_ID", "42"},
                              {"SLURM_STEP_ID", "0"},
                              {"SLURM_PROCID", "5"},
                              {"SLURM_STEP_NUM_TASKS", "8"},
                              {"SLURM_NTASKS", "8"},
                              {"SLURM_LOCALID", "1"},
                              {"SLURM_NODEID", "1"},
                              {"SLURM_STEP_TASKS_PER_NODE", "4(x2)"},
                              {"SLURM_STEP_NODELIST", "hnode[003-004]"},
                              {"SLURM_JOB_NODELIST", "hnode[001-004]"}};

// What mpirun 4.1 left for rank 5 on the second node of a Slurm job: the Slurm variables are those
// of mpirun's own daemon.
const Variables kOpenMpiInSlurm = {
    {"OMPI_COMM_WORLD_RANK", "5"},
    {"OMPI_COMM_WORLD_SIZE", "8"},
    {"OMPI_COMM_WORLD_LOCAL_RANK", "1"},
    {"OMPI_COMM_WORLD_LOCAL_SIZE", "4"},
    {"OMPI_COMM_WORLD_NODE_RANK", "1"},
    {"OMPI_MCA_orte_hnp_uri", "39518208.0;tcp://198.18.0.1,10.0.0.1:38221"},
    {"PMIX_NAMESPACE", "39518209"},
    {"PMIX_RANK", "5"},
    {"SLURM_JOB_ID", "42"},
    {"SLURM_STEP_ID", "0"},
    {"SLURM_PROCID", "0"},
    {"SLURM_NTASKS", "1"},
    {"SLURM_STEP_NUM_TASKS", "1"},
    {"SLURM_STEP_NODELIST", "hnode002"},
    {"SLURM_JOB_NODELIST", "hnode[001-002]"}};

const Variables kHydra = {
    {"PMI_RANK", "2"}, {"PMI_SIZE", "4"}, {"MPI_LOCALRANKID", "0"}, {"MPI_LOCALNRANKS", "2"}};

const Variables kTorchrun = {{"RANK", "3"},
                             {"WORLD_SIZE", "4"},
                             {"LOCAL_RANK", "1"},
                             {"LOCAL_WORLD_SIZE", "2"},
                             {"GROUP_RANK", "1"},
                             {"MASTER_ADDR", "node-a"},
                             {"MASTER_PORT", "29500"},
                             {"TORCHELASTIC_RUN_ID", "none"},
                             {"TORCHELASTIC_RESTART_COUNT", "1"},
                             {"TORCHELASTIC_USE_AGENT_STORE", "True"}};

const Variables kOwn = {{"SWALLOW_RANK", "1"},       {"SWALLOW_SIZE", "2"},
                        {"SWALLOW_LOCAL_RANK", "1"}, {"SWALLOW_LOCAL_SIZE", "2"},
                        {"SWALLOW_KEY", "k"},        {"SWALLOW_RENDEZVOUS", "127.0.0.1:4321"}};

}  // namespace

TEST_CASE("an empty environment is a single process", "[unit]") {
  const LaunchEnvironment got = resolve({});
  require_ranks(got, 0, 1, 0, 1);
  CHECK(got.source == "single process");
  CHECK(got.notice.empty());
}

TEST_CASE("a Slurm step gives rank, local size, first host and run id", "[unit]") {
  const LaunchEnvironment got = resolve(kSlurmTask);
  require_ranks(got, 5, 8, 1, 4);
  CHECK(got.source == "Slurm step");
  CHECK(got.rendezvous_host == "hnode003");
  CHECK(got.run_id == "slurm-42.0");
  CHECK(got.rendezvous_port >= 20000);
  CHECK(got.rendezvous_port < 32000);
  CHECK(resolve(with(kSlurmTask, {{"SLURM_RESTART_COUNT", "1"}})).run_id == "slurm-42.0.1");
  // srun -n8 without --ntasks-per-node was seen to place 7 + 1.
  const LaunchEnvironment uneven = resolve(
      with(kSlurmTask,
           {{"SLURM_PROCID", "7"}, {"SLURM_LOCALID", "0"}, {"SLURM_STEP_TASKS_PER_NODE", "7,1"}}));
  require_ranks(uneven, 7, 8, 0, 1);
}

TEST_CASE("srun with pmi2 or pmix reads like srun without", "[unit]") {
  for (const Variables& extra :
       {Variables{{"PMI_RANK", "5"}, {"PMI_SIZE", "8"}, {"PMI_FD", "9"}, {"PMI_JOBID", "42.0"}},
        Variables{{"PMIX_RANK", "5"}, {"PMIX_NAMESPACE", "slurm.pmix.42.0"}}}) {
    const LaunchEnvironment got = resolve(with(kSlurmTask, extra));
    require_ranks(got, 5, 8, 1, 4);
    CHECK(got.source == "Slurm step");
    CHECK(got.run_id == "slurm-42.0");
  }
}

TEST_CASE("a Slurm step on one node meets on the loopback", "[unit]") {
  const LaunchEnvironment got =
      resolve(with(kSlurmTask, {{"SLURM_NODEID", "0"}, {"SLURM_STEP_TASKS_PER_NODE", "8"}}));
  CHECK(got.rendezvous_host == "127.0.0.1");
}

TEST_CASE("the batch script itself is one process, and is told so", "[unit]") {
  const LaunchEnvironment got = resolve({{"SLURM_JOB_ID", "42"},
                                         {"SLURM_PROCID", "0"},
                                         {"SLURM_LOCALID", "0"},
                                         {"SLURM_NODEID", "0"},
                                         {"SLURM_NTASKS", "8"},
                                         {"SLURM_JOB_NODELIST", "hnode[001-002]"}});
  require_ranks(got, 0, 1, 0, 1);
  CHECK(got.source == "single process");
  CHECK_THAT(got.notice, Contains("did you forget srun or mpirun?") && Contains("SLURM_NTASKS=8"));
  CHECK(resolve({{"SLURM_JOB_ID", "42"}, {"SLURM_NTASKS", "1"}}).notice.empty());
  CHECK_THAT(resolve({{"SLURM_JOB_ID", "42"}, {"SLURM_JOB_NUM_NODES", "4"}}).notice,
             Contains("srun"));
}

TEST_CASE("PBS and Grid Engine allocations without a launcher are told so", "[unit]") {
  const NodeFile two("host-a\nhost-b\n");
  CHECK_THAT(resolve({{"PBS_NODEFILE", two.path()}}).notice, Contains("did you forget mpirun?"));
  CHECK_THAT(resolve({{"NHOSTS", "2"}}).notice, Contains("NHOSTS=2"));
  CHECK(resolve({{"NHOSTS", "1"}, {"PBS_NODEFILE", "/no/such/file"}}).notice.empty());
  const NodeFile one("host-a\n");
  CHECK(resolve({{"PBS_NODEFILE", one.path()}}).notice.empty());
}

TEST_CASE("under mpirun in a Slurm job Open MPI's variables win", "[unit]") {
  const LaunchEnvironment got = resolve(kOpenMpiInSlurm);
  require_ranks(got, 5, 8, 1, 4);
  CHECK(got.source == "Open MPI");
  CHECK(got.run_id == "openmpi-39518209");
  // Not hnode002: the step is mpirun's daemon on the second node.
  CHECK(got.rendezvous_host == "hnode001");
}

TEST_CASE("mpirun's own address is used where no node list is", "[unit]") {
  Variables variables = kOpenMpiInSlurm;
  std::erase_if(variables, [](const auto& item) { return item.first.starts_with("SLURM"); });
  const LaunchEnvironment got = resolve(variables);
  CHECK(got.rendezvous_host == "198.18.0.1");
  CHECK(got.other_hosts == std::vector<std::string>{"10.0.0.1"});
  variables["OMPI_MCA_orte_hnp_uri"] = "garbage";
  CHECK(resolve(variables).rendezvous_host.empty());
}

TEST_CASE("Hydra's variables win over the mixed Slurm ones around it", "[unit]") {
  const LaunchEnvironment got = resolve(with(kHydra, {{"SLURM_STEP_ID", "0"},
                                                      {"SLURM_JOB_ID", "42"},
                                                      {"SLURM_NTASKS", "8"},
                                                      {"SLURM_NPROCS", "2"},
                                                      {"SLURM_PROCID", "1"},
                                                      {"SLURM_JOB_NODELIST", "a,b"}}));
  require_ranks(got, 2, 4, 0, 2);
  CHECK(got.source == "Hydra");
  CHECK(got.rendezvous_host == "a");
}

TEST_CASE("PBS and Grid Engine files name rank 0's host when they are there", "[unit]") {
  const NodeFile file("first-host\nfirst-host\nsecond-host\n");
  CHECK(resolve(with(kHydra, {{"PBS_NODEFILE", file.path()}})).rendezvous_host == "first-host");
  CHECK(
      resolve(with(kHydra, {{"PBS_NODEFILE", "/no/such/file"}, {"SGE_JOB_HOSTLIST", file.path()}}))
          .rendezvous_host == "first-host");
  CHECK(resolve(kHydra).rendezvous_host.empty());
}

TEST_CASE("torchrun's agent holds MASTER_PORT, so rank 0 takes the next", "[unit]") {
  const LaunchEnvironment got = resolve(kTorchrun);
  require_ranks(got, 3, 4, 1, 2);
  CHECK(got.source == "torchrun");
  CHECK(got.rendezvous_host == "node-a");
  CHECK(got.rendezvous_port == 29501);
  CHECK(got.run_id == "torchrun-none.1");
  REQUIRE_THROWS_WITH(resolve(with(kTorchrun, {{"MASTER_PORT", "65535"}})),
                      Contains("MASTER_PORT=65535"));
}

TEST_CASE("bare variables set by hand work, with the port as it is", "[unit]") {
  const LaunchEnvironment got =
      resolve({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "h"}, {"MASTER_PORT", "6000"}});
  require_ranks(got, 1, 2, -1, -1);
  CHECK(got.source == "RANK and WORLD_SIZE");
  CHECK(got.rendezvous_host == "h");
  CHECK(got.rendezvous_port == 6000);
  CHECK(resolve({{"PMI_RANK", "1"}, {"PMI_SIZE", "2"}}).source == "PMI_RANK and PMI_SIZE");
}

TEST_CASE("our own launcher's variables win over every outer launcher", "[unit]") {
  Variables all = kOwn;
  for (const Variables& outer : {kSlurmTask, kOpenMpiInSlurm, kTorchrun})
    all.merge(Variables(outer));
  const LaunchEnvironment got = resolve(all);
  require_ranks(got, 1, 2, 1, 2);
  CHECK(got.source == "swallow-train --nproc");
  CHECK(got.run_id == "k");
  CHECK(got.rendezvous_host == "127.0.0.1");
  CHECK(got.rendezvous_port == 4321);
  REQUIRE_FALSE(got.used.empty());
  CHECK(got.used.front().name == "SWALLOW_RANK");
  CHECK(got.used.front().value == "1");
}

TEST_CASE("only rank 0 takes over a listening socket", "[unit]") {
  const Variables with_fd = with(kOwn, {{"SWALLOW_LISTEN_FD", "7"}});
  CHECK(resolve(with_fd).listen_fd == -1);
  CHECK(resolve(with(with_fd, {{"SWALLOW_RANK", "0"}, {"SWALLOW_LOCAL_RANK", "0"}})).listen_fd ==
        7);
}

TEST_CASE("an address given by --rendezvous beats every variable", "[unit]") {
  const auto check = [](std::string_view flag, const std::string& host, int port) {
    const LaunchEnvironment got = resolve(kTorchrun, flag);
    CHECK(got.rendezvous_host == host);
    if (port > 0)
      CHECK(got.rendezvous_port == port);
    else
      CHECK((got.rendezvous_port >= 20000 && got.rendezvous_port < 32000));
  };
  check("other:777", "other", 777);
  check("other", "other", 0);
  check("[2001:db8::1]:777", "2001:db8::1", 777);
  check("[2001:db8::1]", "2001:db8::1", 0);
  check("2001:db8::1", "2001:db8::1", 0);
  for (const char* bad : {":1", "h:", "h:0", "h:65536", "h:x", "h:1x", "[::1", "[::1]x", "a b:1"}) {
    CAPTURE(bad);
    REQUIRE_THROWS_WITH(resolve(kTorchrun, bad), Contains("--rendezvous"));
  }
}

TEST_CASE("the default port is the same on every rank and differs between runs", "[unit]") {
  const int port = resolve(kSlurmTask).rendezvous_port;
  const Variables first =
      with(kSlurmTask, {{"SLURM_PROCID", "0"}, {"SLURM_NODEID", "0"}, {"SLURM_LOCALID", "0"}});
  CHECK(resolve(first).rendezvous_port == port);
  CHECK(resolve(with(kSlurmTask, {{"SLURM_JOB_ID", "43"}})).rendezvous_port != port);
}

TEST_CASE("values that are no numbers or out of range are refused by name", "[unit]") {
  for (const char* bad : {"x", "5x", " 5", "5 ", "+5", "-1", "0x5", "5.0", "99999999999"}) {
    CAPTURE(bad);
    REQUIRE_THROWS_WITH(resolve(with(kSlurmTask, {{"SLURM_PROCID", bad}})),
                        Contains(std::string("SLURM_PROCID=") + bad));
  }
  REQUIRE_THROWS_AS(resolve(with(kOwn, {{"SWALLOW_SIZE", "0"}})), ConfigError);
  REQUIRE_THROWS_AS(resolve(with(kOwn, {{"SWALLOW_SIZE", "1000000"}})), ConfigError);
}

TEST_CASE("contradictions name both variables", "[unit]") {
  const auto refused = [](const Variables& variables, const char* a, const char* b) {
    CAPTURE(a, b);
    REQUIRE_THROWS_AS(resolve(variables), ConfigError);
    REQUIRE_THROWS_WITH(resolve(variables), Contains(a) && Contains(b));
  };
  refused(with(kOwn, {{"SWALLOW_RANK", "2"}}), "SWALLOW_RANK=2", "SWALLOW_SIZE=2");
  refused(with(kOwn, {{"SWALLOW_SIZE", ""}}), "SWALLOW_RANK", "SWALLOW_SIZE");
  refused({{"WORLD_SIZE", "2"}}, "WORLD_SIZE", "RANK");
  refused(with(kOwn, {{"SWALLOW_LOCAL_SIZE", "3"}}), "SWALLOW_LOCAL_SIZE=3", "SWALLOW_SIZE=2");
  refused(with(kHydra, {{"MPI_LOCALRANKID", "2"}}), "MPI_LOCALRANKID=2", "MPI_LOCALNRANKS=2");
  refused(with(kSlurmTask, {{"SLURM_PROCID", "8"}}), "SLURM_PROCID=8", "SLURM_STEP_NUM_TASKS=8");
  refused(with(kSlurmTask, {{"SLURM_NODEID", "2"}}), "SLURM_NODEID=2", "4(x2)");
  refused({{"RANK", "1"}, {"WORLD_SIZE", "4"}, {"PMI_RANK", "2"}, {"PMI_SIZE", "4"}}, "RANK=1",
          "PMI_RANK=2");
}
