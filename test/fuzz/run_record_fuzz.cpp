// Whatever a run's folder has come to hold, report refuses it or makes a sound page of it. The
// input is metrics.jsonl and, behind zero bytes, attempts.jsonl and config.json.
#include <algorithm>
#include <array>
#include <string>

#include "fuzz/fuzz_target.h"
#include "report/page.h"
#include "report/run_record.h"
#include "report/summary.h"
#include "report/xml.h"

using namespace swallow;

namespace {

/// The text up to the next zero byte, which is passed over.
std::string_view next_file(std::string_view& rest) {
  const size_t end = std::min(rest.find('\0'), rest.size());
  const std::string_view file = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return file;
}

ByteSource bytes_of(std::string_view text) {
  return [text](std::span<char> out) mutable {
    const size_t count = std::min(out.size(), text.size());
    std::copy_n(text.begin(), count, out.begin());
    text.remove_prefix(count);
    return static_cast<int64_t>(count);
  };
}

void require_sound(const std::string& page) {
  fuzz::require(test::xml_problem(page).empty());
  fuzz::require(test::has_finite_places(page));
}

/// Numbers at which arithmetic runs out.
constexpr std::array<std::string_view, 14> kHardNumbers{
    "0",          "-1",         "1e-320",          "1e-99", "1e99", "1e15", "1e308",
    "2147483648", "3037000500", "999999999999999", "256",   "null", "1e-9", "9223372036854775807"};

/// `text` with one of its numbers replaced, which flipping bytes hardly comes to.
std::string with_hard_number(std::string text, unsigned choice) {
  constexpr std::string_view kOfNumbers = "0123456789+-.eE";
  const size_t from = text.find_first_of(":[,", choice % (text.size() + 1));
  const size_t begin = from == std::string::npos ? text.size() : from + 1;
  const size_t end = std::min(text.find_first_not_of(kOfNumbers, begin), text.size());
  if (begin < end)
    text.replace(begin, end - begin, kHardNumbers[choice / 4096 % kHardNumbers.size()]);
  return text;
}

}  // namespace

extern "C" size_t LLVMFuzzerMutate(uint8_t* data, size_t size, size_t max_size);

extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t max_size,
                                          unsigned choice) {
  const std::string hard = with_hard_number(std::string(fuzz::text_of(data, size)), choice / 2);
  if (choice % 2 == 0 || hard.empty() || hard.size() > max_size)
    return LLVMFuzzerMutate(data, size, max_size);
  std::copy(hard.begin(), hard.end(), data);
  return hard.size();
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view rest = fuzz::text_of(data, size);
  RunRecord run;
  if (!fuzz::accepted([&] { run = read_metrics(bytes_of(next_file(rest)), "input"); })) return 0;
  run.path = run.name = "input";
  run.attempts = read_attempts(bytes_of(next_file(rest)));
  run.config_file = read_config(next_file(rest));
  require_sound(run_report({run}, ""));
  for (const auto section : {overview_section, loss_section, optimization_section})
    fuzz::require(test::has_finite_places(section({run, run}).body));  // one run laid over another
  (void)terminal_summary(run);
  return 0;
}
