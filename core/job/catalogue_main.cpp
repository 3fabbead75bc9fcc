// Prints the catalogue of methods: the build writes it beside the binaries, and espalierd reads it.
#include <iostream>

#include "core/job/compress.h"

int main() { std::cout << espalier::build_catalogue().dump(2) << "\n"; }
