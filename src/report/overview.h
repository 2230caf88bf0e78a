// What a run came to in words and in a table: the head of the report and the terminal's summary.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report/run_record.h"

namespace swallow {

/// Name and value, in the order in which they are shown. The names are the same for every run.
std::vector<std::pair<std::string, std::string>> run_facts(const RunRecord& run);

/// How far it came, what it learned, what disturbed it: a few sentences.
std::string verdict(const RunRecord& run);

/// "3 of 1200 lines could not be read (line 1200: ...)"; empty when all could.
std::string damage_text(const LineDamage& damage, const std::string& file);

}  // namespace swallow
