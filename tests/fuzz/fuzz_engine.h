// An engine without weights for any task: it reads samples as the real one does, with the real
// tokenizer and task, and makes up logits of the right shape from what it read. It ends the process
// when it gets a row that the real one could not run, because the door is to refuse those.
#pragma once

#include <memory>
#include <string>

#include "core/runtime/engine.h"
#include "core/task/task.h"
#include "core/text/tokenizer.h"

namespace espalier::fuzz {

// WordPiece over letters and a few words; of all engines that read texts.
std::shared_ptr<const Tokenizer> fuzz_tokenizer();

// "question-answering": with labels, where questions may have no answer; any task otherwise.
std::unique_ptr<runtime::Engine> fuzz_engine(const std::string& task,
                                             std::vector<std::string> labels,
                                             std::shared_ptr<const Tokenizer> tokenizer);

}  // namespace espalier::fuzz
