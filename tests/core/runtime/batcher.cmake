espalier_test(admission_test SOURCES admission_test.cpp DEPS espalier_batcher)
espalier_test(batcher_test SOURCES batcher_test.cpp DEPS espalier_batcher)
espalier_test(executor_test SOURCES executor_test.cpp turns_test.cpp DEPS espalier_batcher)
espalier_test(service_rate_test SOURCES service_rate_test.cpp DEPS espalier_batcher)
