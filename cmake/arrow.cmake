# Arrow C++ out of a pyarrow wheel. The .so names carry the version, so the wheel is pinned.
find_library(ESPALIER_ARROW_LIB NAMES libarrow.so.2100 PATHS "${ESPALIER_ARROW}" NO_DEFAULT_PATH)
find_library(ESPALIER_PARQUET_LIB NAMES libparquet.so.2100 PATHS "${ESPALIER_ARROW}" NO_DEFAULT_PATH)
if(NOT ESPALIER_ARROW_LIB OR NOT ESPALIER_PARQUET_LIB)
  message(FATAL_ERROR "No libarrow.so.2100 in ${ESPALIER_ARROW}: run deploy/install-deps, or point "
                      "-DESPALIER_ARROW at a pyarrow 21.0.0 wheel's folder.")
endif()
add_library(espalier_arrow INTERFACE)
target_include_directories(espalier_arrow SYSTEM INTERFACE "${ESPALIER_ARROW}/include")
target_link_libraries(espalier_arrow INTERFACE "${ESPALIER_PARQUET_LIB}" "${ESPALIER_ARROW_LIB}")
list(APPEND CMAKE_BUILD_RPATH "${ESPALIER_ARROW}")
list(APPEND CMAKE_INSTALL_RPATH "${ESPALIER_ARROW}")
