// `swallow-train export`: a checkpoint to a folder that Hugging Face's `transformers` opens.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <vector>

#include "checkpoint/hugging_face_export.h"
#include "checkpoint/saved_model.h"
#include "config/run_config.h"

namespace swallow {

/// Parses the arguments after the word `export`, writes the folder and prints a summary to `out`.
/// Returns the exit status; ConfigError for a wrong argument, otherwise what write_hugging_face()
/// throws.
int run_export(std::vector<std::string> args, std::ostream& out);

/// bf16, fp32 or fp16 as --dtype gives it. Throws ConfigError.
NumberType parse_export_type(const std::string& text);

/// That of the weights, where a folder may have it.
NumberType default_export_type(const SavedModel& model);

/// A line: what was written; another if there is something to know about it.
std::string export_summary(const std::filesystem::path& output, const ExportResult& result);

/// Before a run: throws ConfigError naming --export-hf unless the folder is free, or holds the last
/// iteration already because a run that had ended is started again.
void require_export_place(const RunConfig& config);

/// Writes the newest checkpoint in --save to the folder that --export-hf names, unless it is there,
/// and says so.
void export_after_training(const RunConfig& config, std::ostream& out);

}  // namespace swallow
