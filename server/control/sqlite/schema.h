// Tables of the SQLite store and how they came to be.
#pragma once

#include "server/control/sqlite/database.h"

namespace espalier::server::sqlite {

// Makes or upgrades the tables, one version a transaction. Throws StatusError (FAILED_PRECONDITION)
// for a file of a newer espalierd.
void migrate(Database& db);

}  // namespace espalier::server::sqlite
