// Predicted beside published step times.
//   plan_accuracy CASES.json [--fit SOFTWARE [SET]]
// The rows of each set are counted from 1. The two fitted factors of a software profile come from
// odd rows alone, and a profile that is not fitted takes them from elsewhere. --fit searches the
// factors of one profile on its odd rows, or on those of the sets whose name holds SET, and prints
// the table with them.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "bench/plan_cases.h"
#include "plan/step_estimate.h"

using namespace swallow;

namespace {

struct Judged {
  const PublishedCase* published = nullptr;
  bool fitted = false;
  double predicted = 0;
  [[nodiscard]] double error() const { return predicted / published->seconds - 1; }
};

std::vector<Judged> judge(const std::vector<PublishedCase>& cases,
                          const std::map<std::string, HardwareProfile>& hardware,
                          const SoftwareProfile& software) {
  std::vector<Judged> judged;
  std::string set;
  int row = 0;
  for (const PublishedCase& published : cases) {
    if (published.set != set) row = 0;
    set = published.set;
    ++row;
    if (published.software != software.name) continue;
    judged.push_back({&published, software.fitted && row % 2 == 1,
                      predict(published, hardware.at(published.hardware), software)});
  }
  return judged;
}

/// Mean absolute logarithm of predicted over published on the rows to fit to: a run that went badly
/// pulls no more than another.
double misfit(const std::vector<Judged>& judged) {
  double sum = 0;
  int count = 0;
  for (const Judged& j : judged) {
    if (!j.fitted) continue;
    sum += std::abs(std::log1p(j.error()));
    ++count;
  }
  return sum / count;
}

/// Ever smaller steps from the best so far, along both factors.
SoftwareProfile fit(const std::vector<PublishedCase>& cases,
                    const std::map<std::string, HardwareProfile>& hardware,
                    const SoftwareProfile& start) {
  SoftwareProfile best = start;
  double least = misfit(judge(cases, hardware, best));
  double efficiency_step = 0.08;
  double host_step = 400;
  while (efficiency_step >= 0.01) {
    const SoftwareProfile centre = best;
    for (int i = -2; i <= 2; ++i)
      for (int j = -2; j <= 2; ++j) {
        SoftwareProfile tried = centre;
        tried.gemm_efficiency += i * efficiency_step;
        tried.host_us_per_layer = std::max(0.0, tried.host_us_per_layer + j * host_step);
        if (tried.gemm_efficiency <= 0) continue;
        const double result = misfit(judge(cases, hardware, tried));
        if (result >= least) continue;
        least = result;
        best = tried;
      }
    if (best.gemm_efficiency != centre.gemm_efficiency ||
        best.host_us_per_layer != centre.host_us_per_layer)
      continue;
    efficiency_step /= 2;
    host_step /= 2;
  }
  return best;
}

void print_errors(const std::string& what, const std::vector<Judged>& judged, bool fitted) {
  double sum = 0, largest = 0;
  int count = 0;
  for (const Judged& j : judged) {
    if (j.fitted != fitted) continue;
    ++count;
    sum += std::abs(j.error());
    largest = std::max(largest, std::abs(j.error()));
  }
  if (count > 0)
    fmt::print("  {}: {} rows, mean error {:.1f} %, largest {:.1f} %\n", what, count,
               100 * sum / count, 100 * largest);
}

std::string anatomy(const Judged& j, const HardwareProfile& hardware, SoftwareProfile software) {
  if (j.published->one_layer) return {};
  software.overlaps_gradients = j.published->overlaps_gradients;
  const StepEstimate e = estimate_step(hardware, software, j.published->step);
  const double whole = e.total() / 100;
  return fmt::format("{:3.0f} {:3.0f} {:3.0f} {:3.0f} {:3.0f} {:3.0f} {:3.0f} {:3.0f} {:3.0f}",
                     e.gemm / whole, e.attention / whole, e.memory / whole, e.host / whole,
                     e.tp / whole, e.pp / whole, e.bubble / whole, e.dp / whole,
                     e.optimizer / whole);
}

}  // namespace

int main(int argc, char** argv) {
  const bool fits = (argc == 4 || argc == 5) && std::string(argv[2]) == "--fit";
  if (argc != 2 && !fits) {
    fmt::print(stderr, "usage: {} CASES.json [--fit SOFTWARE [SET]]\n", argv[0]);
    return 2;
  }
  std::vector<PublishedCase> cases = read_published_cases(argv[1]);
  const std::string wanted = fits ? argv[3] : "";
  if (argc == 5)
    std::erase_if(cases, [&](const auto& c) { return c.set.find(argv[4]) == std::string::npos; });
  std::map<std::string, HardwareProfile> hardware;
  for (const PublishedCase& published : cases)
    if (!hardware.contains(published.hardware))
      hardware[published.hardware] = load_hardware_profile(published.hardware);
  for (SoftwareProfile software : software_profiles()) {
    if (!wanted.empty() && software.name != wanted) continue;
    software.fitted = software.fitted || !wanted.empty();
    if (!wanted.empty()) software = fit(cases, hardware, software);
    const std::vector<Judged> judged = judge(cases, hardware, software);
    if (judged.empty()) continue;
    fmt::print("{}: GEMM efficiency {:.2f}, host {:.0f} us a layer\n", software.name,
               software.gemm_efficiency, software.host_us_per_layer);
    std::string set;
    for (const Judged& j : judged) {
      if (j.published->set != set)
        fmt::print("  {}\n{:>83} gem att mem hst  tp  pp bub  dp opt [%]\n", j.published->set, "");
      set = j.published->set;
      fmt::print("  {} {:<46} {:9.4g} {:9.4g} s {:+6.1f} %  {}\n", j.fitted ? "fit " : "test",
                 j.published->label, j.predicted, j.published->seconds, 100 * j.error(),
                 anatomy(j, hardware.at(j.published->hardware), software));
    }
    print_errors("fitted to", judged, true);
    print_errors("not seen", judged, false);
    fmt::print("\n");
  }
  return 0;
}
