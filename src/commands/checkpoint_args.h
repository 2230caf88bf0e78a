// What the command line leaves to the files that it names: the sizes of the model that no flag and
// no preset gives.
#pragma once

#include "config/cli.h"

namespace swallow {

/// Sets the size of the vocabulary where it is not given: that of --load, else of
/// --pretrained-checkpoint, else of --tokenizer-model. With --use-checkpoint-args the number of
/// query groups comes from the checkpoint in the same way. Throws CheckpointError, DataError.
void complete_model(ParsedCommandLine& parsed);

}  // namespace swallow
