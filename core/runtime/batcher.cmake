# The queue in front of an engine. No torch, so that the sanitizers can run it with a fake engine.
espalier_library(espalier_batcher
  SOURCES admission.cpp batcher.cpp executor.cpp service_rate.cpp turns.cpp
  DEPS espalier_base absl::status absl::statusor absl::strings Threads::Threads)
