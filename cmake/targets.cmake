# One CMake target per folder; its DEPS are the arrows of the architecture.
#
#   espalier_library(<name> SOURCES ... [DEPS ...] [TORCH | RPC])
#   espalier_program(<name> SOURCES ... [DEPS ...] [TORCH | RPC])
#   espalier_test(<name> SOURCES ... [DEPS ...] [TORCH | RPC] [LABELS fast|slow ...])
#
# The label foreign_threads says that threads of gRPC or Arrow hand work over: Debian's and the wheel's libraries
# are not instrumented, their locks are invisible to the thread sanitizer, and it would cry race at every step.
#
# TORCH gives the target torch's headers (PRIVATE, see torch.cmake) and their precompiled form; RPC the
# precompiled headers of gRPC and of the generated code. No target has both (see torch.cmake).
function(_espalier_common target)
  cmake_parse_arguments(A "TORCH;RPC" "" "SOURCES;DEPS;LABELS" ${ARGN})
  target_include_directories(${target} PUBLIC "${CMAKE_SOURCE_DIR}")
  target_link_libraries(${target} PUBLIC ${A_DEPS})
  if(A_TORCH)
    target_link_libraries(${target} PRIVATE espalier_torch)
    target_precompile_headers(${target} REUSE_FROM espalier_torch_pch)
  elseif(A_RPC)
    target_precompile_headers(${target} REUSE_FROM espalier_rpc_pch)
  endif()
  # Headers of torch, gRPC or Arrow cost a file five to twenty seconds; one unit a folder pays once.
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
endfunction()

function(espalier_library name)
  cmake_parse_arguments(A "TORCH;RPC" "" "SOURCES;DEPS" ${ARGN})
  if(A_TORCH AND NOT ESPALIER_WITH_TORCH)
    return()
  endif()
  add_library(${name} STATIC ${A_SOURCES})
  _espalier_common(${name} ${ARGN})
endfunction()

function(espalier_program name)
  cmake_parse_arguments(A "TORCH;RPC" "" "SOURCES;DEPS" ${ARGN})
  add_executable(${name} ${A_SOURCES})
  _espalier_common(${name} ${ARGN})
endfunction()

function(espalier_test name)
  cmake_parse_arguments(A "TORCH;RPC" "" "SOURCES;DEPS;LABELS" ${ARGN})
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

# espalier_precompile(<name> <header> <library>): the header's one place to be compiled.
function(espalier_precompile name header library)
  file(WRITE "${CMAKE_BINARY_DIR}/${name}.cpp" "")
  add_library(${name} OBJECT "${CMAKE_BINARY_DIR}/${name}.cpp")
  target_link_libraries(${name} PRIVATE ${library})
  target_precompile_headers(${name} PRIVATE "${CMAKE_SOURCE_DIR}/cmake/${header}")
endfunction()
