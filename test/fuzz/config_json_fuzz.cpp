// A preset is refused, or its configuration comes back the same from the record of it.
#include <string>

#include "config/config_json.h"
#include "fuzz/fuzz_target.h"

using namespace swallow;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  RunConfig config;
  if (!fuzz::accepted([&] { config = config_from_json(fuzz::text_of(data, size), "input"); }))
    return 0;
  const std::string record = config_json(config);
  fuzz::require(config_json(config_from_json(record, "record")) == record);
  return 0;
}
