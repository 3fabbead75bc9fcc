// The number formats in which matrix products can be computed.
#pragma once

namespace espalier {

enum class Precision { kFp32, kBf16 };

}  // namespace espalier
