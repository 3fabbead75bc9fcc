# Build tools that make a difference where they are present: ccache, mold; warnings; sanitizers.
find_program(ESPALIER_CCACHE ccache)
if(ESPALIER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # pch_defines,time_macros: without them ccache refuses every file that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${ESPALIER_CCACHE})
endif()
find_program(ESPALIER_MOLD mold)
if(ESPALIER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)

if(ESPALIER_SANITIZE)
  add_compile_options(-fsanitize=${ESPALIER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ESPALIER_SANITIZE})
  add_compile_definitions(ESPALIER_SANITIZED)  # the compiler's own macros differ, and one is taken away below
  if(ESPALIER_SANITIZE MATCHES "thread")
    # With this macro the headers of Debian's protobuf lay out map fields otherwise than its library,
    # which was built without: every look-up in a map would crash.
    add_compile_options(-U__SANITIZE_THREAD__)
  endif()
endif()

# Everything counts which code an input reaches; tests/fuzz links what reads it.
if(ESPALIER_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    message(FATAL_ERROR "ESPALIER_FUZZ takes clang, with its libFuzzer; this is ${CMAKE_CXX_COMPILER}. The same fuzzers "
                        "run without it: fuzz_replay_NAME --runs N")
  endif()
  add_compile_options(-fsanitize=fuzzer-no-link)
endif()
