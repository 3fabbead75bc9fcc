# One CMake target per folder; its DEPS are the arrows of the architecture.
#
#   espalier_library(<name> SOURCES ... [DEPS ...] [TORCH])
#   espalier_test(<name> SOURCES ... [DEPS ...] [TORCH] [LABELS fast|slow])
#
# TORCH gives the target torch's headers (PRIVATE, see torch.cmake) and the shared precompiled header.
function(_espalier_common target)
  cmake_parse_arguments(A "TORCH" "" "SOURCES;DEPS;LABELS" ${ARGN})
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} PUBLIC ${A_DEPS})
  if(A_TORCH)
    target_link_libraries(${target} PRIVATE espalier_torch)
    if(TARGET espalier_torch_pch)
      target_precompile_headers(${target} REUSE_FROM espalier_torch_pch)
    endif()
    # Every file that sees torch pays some ten seconds for it; one file a folder pays once.
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  endif()
endfunction()

function(espalier_library name)
  cmake_parse_arguments(A "TORCH" "" "SOURCES;DEPS" ${ARGN})
  if(A_TORCH AND NOT ESPALIER_WITH_TORCH)
    return()
  endif()
  add_library(${name} STATIC ${A_SOURCES})
  _espalier_common(${name} ${ARGN})
endfunction()

function(espalier_test name)
  cmake_parse_arguments(A "TORCH" "" "SOURCES;DEPS;LABELS" ${ARGN})
  if(A_TORCH AND NOT ESPALIER_WITH_TORCH)
    return()
  endif()
  add_executable(${name} ${A_SOURCES})
  _espalier_common(${name} ${ARGN})
  target_link_libraries(${name} PRIVATE GTest::gmock GTest::gtest_main)
  if(NOT A_LABELS)
    set(A_LABELS fast)
  endif()
  # One ctest entry a binary: torch takes a second to load, and a gtest binary prints its own cases.
  add_test(NAME ${name} COMMAND ${name} WORKING_DIRECTORY "${CMAKE_SOURCE_DIR}")
  set_tests_properties(${name} PROPERTIES LABELS "${A_LABELS}" TIMEOUT 600)
  # Test programs run side by side; OpenMP threads that spin for each other's cores would cost tenfold.
  set_property(TEST ${name} PROPERTY ENVIRONMENT OMP_NUM_THREADS=1)
endfunction()

# The one place where torch's headers are compiled.
function(espalier_torch_pch)
  if(ESPALIER_WITH_TORCH)
    file(WRITE "${CMAKE_BINARY_DIR}/torch_pch.cpp" "")
    add_library(espalier_torch_pch OBJECT "${CMAKE_BINARY_DIR}/torch_pch.cpp")
    target_link_libraries(espalier_torch_pch PRIVATE espalier_torch)
    target_precompile_headers(espalier_torch_pch PRIVATE "${CMAKE_SOURCE_DIR}/cmake/torch_pch.h")
  endif()
endfunction()
