espalier_test(admission_test SOURCES admission_test.cpp DEPS espalier_batcher)
espalier_test(batcher_test SOURCES batcher_test.cpp DEPS espalier_batcher)
